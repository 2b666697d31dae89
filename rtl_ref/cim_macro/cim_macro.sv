// Digital bit-serial compute-in-memory macro. Weights are written row by row into one or two
// planes; a plane is used by vectors until one of them is marked as its last. A vector is captured
// in shift registers and used most significant digit first, BitsPerCycle bits of ActiveRows rows a
// step; the top digit carries the sign. The TreeStages registers behind the adder tree are left to
// retiming. There is no back-pressure on the output.
module cim_macro #(
  parameter int Rows         = 16,
  parameter int Cols         = 4,
  parameter int WeightBits   = 4,
  parameter int InputBits    = 8,
  parameter int BitsPerCycle = 1,
  parameter int ActiveRows   = 16,
  parameter int TreeStages   = 2,
  parameter int Planes       = 1,
  parameter int AccWidth     = 17
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       w_valid_i,
  output logic                       w_ready_o,
  input  logic [Cols*WeightBits-1:0] w_i,
  input  logic                       in_valid_i,
  output logic                       in_ready_o,
  input  logic                       in_last_i,
  input  logic [Rows*InputBits-1:0]  x_i,
  output logic                       out_valid_o,
  output logic [Cols*AccWidth-1:0]   y_o
);

  localparam int Digits     = (InputBits + BitsPerCycle - 1) / BitsPerCycle;
  localparam int Groups     = (Rows + ActiveRows - 1) / ActiveRows;
  localparam int PadBits    = Digits * BitsPerCycle;
  localparam int SumWidth   = WeightBits + BitsPerCycle + $clog2(Rows) + 1;
  localparam int DigitWidth = (Digits > 1) ? $clog2(Digits) : 1;
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int RowWidth   = (Rows > 1) ? $clog2(Rows) : 1;

  logic                  busy_q, last_q, rd_q, wr_q;
  logic [DigitWidth-1:0] digit_q;
  logic [GroupWidth-1:0] group_q;
  logic [RowWidth-1:0]   row_q;
  logic [1:0]            full_q;
  logic                  last_group, last_step, done_plane, available;
  logic                  take, write, write_last;

  assign last_group = group_q == GroupWidth'(Groups - 1);
  assign last_step  = busy_q && last_group && digit_q == DigitWidth'(Digits - 1);
  assign done_plane = last_step && last_q;
  assign available  = done_plane ? (Planes == 2 && full_q[!rd_q]) : full_q[rd_q];
  assign in_ready_o = (!busy_q || last_step) && available;
  assign take       = in_valid_i && in_ready_o;
  assign w_ready_o  = !full_q[wr_q] || (done_plane && rd_q == wr_q);
  assign write      = w_valid_i && w_ready_o;
  assign write_last = write && row_q == RowWidth'(Rows - 1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q  <= 1'b0;
      last_q  <= 1'b0;
      rd_q    <= 1'b0;
      wr_q    <= 1'b0;
      digit_q <= '0;
      group_q <= '0;
      row_q   <= '0;
      full_q  <= '0;
    end else begin
      if (take) begin
        busy_q  <= 1'b1;
        last_q  <= in_last_i;
        digit_q <= '0;
        group_q <= '0;
      end else if (last_step) begin
        busy_q <= 1'b0;
      end else if (busy_q) begin
        group_q <= last_group ? '0 : group_q + 1'b1;
        if (last_group) digit_q <= digit_q + 1'b1;
      end
      if (done_plane) begin
        full_q[rd_q] <= 1'b0;
        rd_q <= (Planes == 2) ? !rd_q : 1'b0;
      end
      if (write) row_q <= write_last ? '0 : row_q + 1'b1;
      if (write_last) begin
        full_q[wr_q] <= 1'b1;
        wr_q <= (Planes == 2) ? !wr_q : 1'b0;
      end
    end
  end

  // The digit in use of every row, and the products of the rows that are active in this step.
  logic [Rows*(BitsPerCycle+1)-1:0] digits;

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    logic        [PadBits-1:0]   x_q;
    logic signed [InputBits-1:0] x;

    assign x = x_i[r*InputBits +: InputBits];
    assign digits[r*(BitsPerCycle+1) +: BitsPerCycle+1] =
        {x_q[PadBits-1] && digit_q == '0, x_q[PadBits-1 -: BitsPerCycle]};

    always_ff @(posedge clk_i) begin
      if (take) x_q <= PadBits'(x);
      else if (last_group) x_q <= x_q << BitsPerCycle;
    end
  end

  logic step_valid, step_first, step_shift, step_last;

  delay_line #(.Stages(TreeStages), .Width(4)) u_step (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   ({busy_q, digit_q == '0 && group_q == '0, group_q == '0, last_step}),
    .q_o   ({step_valid, step_first, step_shift, step_last})
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else out_valid_o <= step_last;
  end

  for (genvar c = 0; c < Cols; c++) begin : gen_col
    logic        [WeightBits-1:0]  weights_q [2*Rows];
    logic signed [WeightBits-1:0]  weight;
    logic signed [BitsPerCycle:0]  digit;
    logic signed [SumWidth-1:0]    sum;
    logic        [SumWidth-1:0]    arrived;
    logic signed [AccWidth-1:0]    start, acc_q;

    always_ff @(posedge clk_i) begin
      if (write) weights_q[(wr_q ? Rows : 0) + int'(row_q)] <= w_i[c*WeightBits +: WeightBits];
    end

    always_comb begin
      sum = '0;
      weight = '0;
      digit = '0;
      for (int r = 0; r < Rows; r++) begin
        weight = weights_q[(rd_q ? Rows : 0) + r];
        digit = digits[r*(BitsPerCycle+1) +: BitsPerCycle+1];
        if (GroupWidth'(r / ActiveRows) == group_q) sum = sum + SumWidth'(weight * digit);
      end
    end

    delay_line #(.Stages(TreeStages), .Width(SumWidth)) u_tree (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   (sum),
      .q_o   (arrived)
    );

    always_comb begin
      start = acc_q;
      if (step_first) start = '0;
      else if (step_shift) start = acc_q <<< BitsPerCycle;
    end

    always_ff @(posedge clk_i) begin
      if (step_valid) acc_q <= start + AccWidth'($signed(arrived));
    end

    assign y_o[c*AccWidth +: AccWidth] = acc_q;
  end

endmodule
