// Output-stationary systolic array. Beats enter unskewed, column k of A and row k of B together;
// row r and column c are delayed inside by r and c cycles, so PE (r, c) adds on edge k + r + c.
// After the last beat the array flushes for Rows + Cols - 2 cycles and then shifts its sums out,
// bottom row first, one row a cycle. There is no back-pressure on the output.
module os_array #(
  parameter int Rows      = 4,
  parameter int Cols      = 4,
  parameter int DataWidth = 8,
  parameter int AccWidth  = 24
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic                      in_last_i,
  input  logic [Rows*DataWidth-1:0] a_i,
  input  logic [Cols*DataWidth-1:0] b_i,
  output logic                      out_valid_o,
  output logic                      out_last_o,
  output logic [Cols*AccWidth-1:0]  c_o
);

  localparam int FlushCycles = Rows + Cols - 2;
  localparam int CountWidth  = $clog2(Rows + Cols + 1);

  typedef enum logic [1:0] {StAccept, StFlush, StDrain} state_e;

  state_e                state_q, state_d;
  logic [CountWidth-1:0] count_q, count_d;
  logic                  take, drain;

  assign in_ready_o  = state_q == StAccept;
  assign take        = in_valid_i && in_ready_o;
  assign drain       = state_q == StDrain;
  assign out_valid_o = drain;
  assign out_last_o  = drain && count_q == CountWidth'(Rows - 1);

  always_comb begin
    state_d = state_q;
    count_d = count_q;
    unique case (state_q)
      // Beats of one tile, with or without bubbles.
      StAccept: begin
        count_d = '0;
        if (take && in_last_i) state_d = (FlushCycles == 0) ? StDrain : StFlush;
      end
      // The last beat travels to the far corner.
      StFlush: begin
        count_d = count_q + 1'b1;
        if (count_q == CountWidth'(FlushCycles - 1)) begin
          state_d = StDrain;
          count_d = '0;
        end
      end
      // Sums leave, zeros follow them.
      StDrain: begin
        count_d = count_q + 1'b1;
        if (out_last_o) state_d = StAccept;
      end
      default: state_d = StAccept;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StAccept;
      count_q <= '0;
    end else begin
      state_q <= state_d;
      count_q <= count_d;
    end
  end

  // Operands on the wires between PEs: a moves right, b and the sums move down.
  logic [Rows*(Cols+1)-1:0]           valid;
  logic [Rows*(Cols+1)*DataWidth-1:0] a;
  logic [(Rows+1)*Cols*DataWidth-1:0] b;
  logic [(Rows+1)*Cols*AccWidth-1:0]  acc;

  assign acc[Cols*AccWidth-1:0] = '0;
  assign c_o = acc[Rows*Cols*AccWidth +: Cols*AccWidth];

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    delay_line #(.Stages(r), .Width(DataWidth + 1)) u_skew (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   ({take, a_i[r*DataWidth +: DataWidth]}),
      .q_o   ({valid[r*(Cols+1)], a[r*(Cols+1)*DataWidth +: DataWidth]})
    );
    for (genvar c = 0; c < Cols; c++) begin : gen_pe
      os_pe #(.DataWidth(DataWidth), .AccWidth(AccWidth)) u_pe (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .valid_i(valid[r*(Cols+1)+c]),
        .a_i    (a[(r*(Cols+1)+c)*DataWidth +: DataWidth]),
        .b_i    (b[(r*Cols+c)*DataWidth +: DataWidth]),
        .drain_i(drain),
        .above_i(acc[(r*Cols+c)*AccWidth +: AccWidth]),
        .valid_o(valid[r*(Cols+1)+c+1]),
        .a_o    (a[(r*(Cols+1)+c+1)*DataWidth +: DataWidth]),
        .b_o    (b[((r+1)*Cols+c)*DataWidth +: DataWidth]),
        .acc_o  (acc[((r+1)*Cols+c)*AccWidth +: AccWidth])
      );
    end
  end

  for (genvar c = 0; c < Cols; c++) begin : gen_col
    delay_line #(.Stages(c), .Width(DataWidth)) u_skew (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   (b_i[c*DataWidth +: DataWidth]),
      .q_o   (b[c*DataWidth +: DataWidth])
    );
  end

  // What leaves the right and the bottom edge serves no one.
  logic unused_edges;
  always_comb begin
    unused_edges = ^b[Rows*Cols*DataWidth +: Cols*DataWidth];
    for (int r = 0; r < Rows; r++) begin
      unused_edges = unused_edges ^ valid[r*(Cols+1)+Cols]
                     ^ (^a[(r*(Cols+1)+Cols)*DataWidth +: DataWidth]);
    end
  end

endmodule
