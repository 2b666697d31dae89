// Processing element of the output-stationary array: multiplies the operands that pass by and
// keeps the sum; shifts sums down the column while the array drains.
module os_pe #(
  parameter int DataWidth = 8,
  parameter int AccWidth  = 24
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 valid_i,
  input  logic [DataWidth-1:0] a_i,
  input  logic [DataWidth-1:0] b_i,
  input  logic                 drain_i,
  input  logic [AccWidth-1:0]  above_i,
  output logic                 valid_o,
  output logic [DataWidth-1:0] a_o,
  output logic [DataWidth-1:0] b_o,
  output logic [AccWidth-1:0]  acc_o
);

  logic signed [DataWidth-1:0]   a, b;
  logic signed [2*DataWidth-1:0] product;
  logic signed [AccWidth-1:0]    acc_q;

  assign a = a_i;
  assign b = b_i;
  assign product = a * b;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_o <= 1'b0;
      acc_q   <= '0;
    end else begin
      valid_o <= valid_i;
      if (drain_i) acc_q <= above_i;
      else if (valid_i) acc_q <= acc_q + AccWidth'(product);
    end
  end

  always_ff @(posedge clk_i) begin
    a_o <= a_i;
    b_o <= b_i;
  end

  assign acc_o = acc_q;

`ifndef SYNTHESIS
  logic signed [AccWidth-1:0] sum;
  assign sum = acc_q + AccWidth'(product);
  always @(posedge clk_i) begin
    if (valid_i && !drain_i && (acc_q[AccWidth-1] == product[2*DataWidth-1])) begin
      assert (sum[AccWidth-1] == acc_q[AccWidth-1]) else $error("the accumulator overflows");
    end
  end
`endif

endmodule
