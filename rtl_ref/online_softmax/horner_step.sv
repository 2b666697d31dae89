// One Horner step of 2^-f: the next coefficient plus the fraction times the sum so far, registered
// together with the exponent it belongs to.
module horner_step #(
  parameter int Step = 1
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [7:0]  shift_i,
  input  logic [15:0] fraction_i,
  input  logic [17:0] sum_i,
  output logic [7:0]  shift_o,
  output logic [15:0] fraction_o,
  output logic [17:0] sum_o
);

  // Coefficients of 2^-f for f in [0, 1), Q2.16, high order first; the first is the start value.
  localparam logic signed [17:0] Coefficient =
      (Step == 1) ? 18'sd585 :
      (Step == 2) ? -18'sd3606 :
      (Step == 3) ? 18'sd15735 :
      (Step == 4) ? -18'sd45425 : 18'sd65536;

  logic signed [16:0] fraction;
  logic signed [17:0] sum;
  logic signed [34:0] product;
  logic               unused_product;

  assign fraction = {1'b0, fraction_i};
  assign sum = sum_i;
  assign product = 35'(fraction) * 35'(sum);
  assign unused_product = ^{product[34], product[15:0]};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      shift_o    <= '0;
      fraction_o <= '0;
      sum_o      <= '0;
    end else begin
      shift_o    <= shift_i;
      fraction_o <= fraction_i;
      sum_o      <= Coefficient + product[33:16];
    end
  end

endmodule
