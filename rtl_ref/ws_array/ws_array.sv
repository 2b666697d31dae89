// Weight-stationary systolic array with shadow weights. Weight rows shift into shadow registers,
// the last row of the tile first. Beats are rows of A; the first beat of a tile waits until the
// shadow is full and carries the swap with it, so that each PE changes weights exactly with its
// first operand. The shadow stays locked until that wave has left. Results are de-skewed: the row
// of C for a beat leaves Rows + Cols - 1 cycles after it. There is no back-pressure on the output.
module ws_array #(
  parameter int Rows      = 4,
  parameter int Cols      = 4,
  parameter int DataWidth = 8,
  parameter int AccWidth  = 24
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      w_valid_i,
  output logic                      w_ready_o,
  input  logic [Cols*DataWidth-1:0] w_i,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic                      in_first_i,
  input  logic                      in_last_i,
  input  logic [Rows*DataWidth-1:0] a_i,
  output logic                      out_valid_o,
  output logic                      out_last_o,
  output logic [Cols*AccWidth-1:0]  c_o
);

  localparam int LockCycles = Rows + Cols - 2;
  localparam int Latency    = Rows + Cols - 1;
  localparam int LoadWidth  = $clog2(Rows + 1);
  localparam int LockWidth  = $clog2(Rows + Cols);

  logic [LoadWidth-1:0] loaded_q;
  logic [LockWidth-1:0] lock_q;
  logic                 full, load, take, swap;

  assign full       = loaded_q == LoadWidth'(Rows);
  assign w_ready_o  = !full && lock_q == '0;
  assign in_ready_o = !in_first_i || full;
  assign load       = w_valid_i && w_ready_o;
  assign take       = in_valid_i && in_ready_o;
  assign swap       = take && in_first_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      loaded_q <= '0;
      lock_q   <= '0;
    end else begin
      if (swap) loaded_q <= '0;
      else if (load) loaded_q <= loaded_q + 1'b1;
      if (swap) lock_q <= LockWidth'(LockCycles);
      else if (lock_q != '0) lock_q <= lock_q - 1'b1;
    end
  end

  delay_line #(.Stages(Latency), .Width(2)) u_valid (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   ({take && in_last_i, take}),
    .q_o   ({out_last_o, out_valid_o})
  );

  // Operands on the wires between PEs: a moves right, weights and sums move down.
  logic [Rows*(Cols+1)-1:0]           swaps;
  logic [Rows*(Cols+1)*DataWidth-1:0] a;
  logic [(Rows+1)*Cols*DataWidth-1:0] w;
  logic [(Rows+1)*Cols*AccWidth-1:0]  sums;

  assign w[Cols*DataWidth-1:0] = w_i;
  assign sums[Cols*AccWidth-1:0] = '0;

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    delay_line #(.Stages(r), .Width(DataWidth + 1)) u_skew (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   ({swap, a_i[r*DataWidth +: DataWidth]}),
      .q_o   ({swaps[r*(Cols+1)], a[r*(Cols+1)*DataWidth +: DataWidth]})
    );
    for (genvar c = 0; c < Cols; c++) begin : gen_pe
      ws_pe #(.DataWidth(DataWidth), .AccWidth(AccWidth)) u_pe (
        .clk_i (clk_i),
        .rst_ni(rst_ni),
        .load_i(load),
        .w_i   (w[(r*Cols+c)*DataWidth +: DataWidth]),
        .swap_i(swaps[r*(Cols+1)+c]),
        .a_i   (a[(r*(Cols+1)+c)*DataWidth +: DataWidth]),
        .sum_i (sums[(r*Cols+c)*AccWidth +: AccWidth]),
        .w_o   (w[((r+1)*Cols+c)*DataWidth +: DataWidth]),
        .swap_o(swaps[r*(Cols+1)+c+1]),
        .a_o   (a[(r*(Cols+1)+c+1)*DataWidth +: DataWidth]),
        .sum_o (sums[((r+1)*Cols+c)*AccWidth +: AccWidth])
      );
    end
  end

  for (genvar c = 0; c < Cols; c++) begin : gen_col
    delay_line #(.Stages(Cols - 1 - c), .Width(AccWidth)) u_deskew (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   (sums[(Rows*Cols+c)*AccWidth +: AccWidth]),
      .q_o   (c_o[c*AccWidth +: AccWidth])
    );
  end

  // What leaves the right and the bottom edge serves no one.
  logic unused_edges;
  always_comb begin
    unused_edges = ^w[Rows*Cols*DataWidth +: Cols*DataWidth];
    for (int r = 0; r < Rows; r++) begin
      unused_edges = unused_edges ^ swaps[r*(Cols+1)+Cols]
                     ^ (^a[(r*(Cols+1)+Cols)*DataWidth +: DataWidth]);
    end
  end

endmodule
