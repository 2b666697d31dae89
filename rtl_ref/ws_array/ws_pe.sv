// Processing element of the weight-stationary array: adds its weight times the operand that passes
// to the partial sum from above. The swap bit travels with the operand and makes the shadow weight
// the active one, starting with that very operand.
module ws_pe #(
  parameter int DataWidth = 8,
  parameter int AccWidth  = 24
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 load_i,
  input  logic [DataWidth-1:0] w_i,
  input  logic                 swap_i,
  input  logic [DataWidth-1:0] a_i,
  input  logic [AccWidth-1:0]  sum_i,
  output logic [DataWidth-1:0] w_o,
  output logic                 swap_o,
  output logic [DataWidth-1:0] a_o,
  output logic [AccWidth-1:0]  sum_o
);

  logic signed [DataWidth-1:0]   active_q, weight, a;
  logic signed [2*DataWidth-1:0] product;
  logic signed [AccWidth-1:0]    sum;

  assign a = a_i;
  assign weight = swap_i ? w_o : active_q;
  assign product = a * weight;
  assign sum = sum_i + AccWidth'(product);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) swap_o <= 1'b0;
    else swap_o <= swap_i;
  end

  always_ff @(posedge clk_i) begin
    active_q <= weight;
    a_o <= a_i;
    sum_o <= sum;
    if (load_i) w_o <= w_i;
  end

endmodule
