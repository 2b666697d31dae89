// exp(-d) for d >= 0 in Q6.10, one result a cycle after six stages: a multiplication by log2(e) and
// five Horner steps of 2^-f; the integer part of the exponent shifts the result, which is
// rounded to UQ1.15.
module exp_lane (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [16:0] d_i,
  output logic [15:0] w_o
);

  localparam int Steps = 5;
  // log2(e) in Q1.15.
  localparam logic [15:0] Log2E = 16'd47274;

  // First coefficient of 2^-f for f in [0, 1), Q2.16.
  localparam logic signed [17:0] Start = -18'sd57;

  logic [32:0] t_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) t_q <= '0;
    else t_q <= 33'(d_i) * 33'(Log2E);
  end

  // Shift, fraction and sum on the wires between the steps.
  logic [(Steps+1)*8-1:0]  shifts;
  logic [(Steps+1)*16-1:0] fractions;
  logic [(Steps+1)*18-1:0] sums;
  logic                    unused_low_bits;

  assign shifts[7:0]     = t_q[32:25];
  assign fractions[15:0] = t_q[24:9];
  assign sums[17:0]      = Start;
  assign unused_low_bits = ^{t_q[8:0], fractions[Steps*16 +: 16]};

  for (genvar k = 0; k < Steps; k++) begin : gen_step
    horner_step #(.Step(k + 1)) u_step (
      .clk_i     (clk_i),
      .rst_ni    (rst_ni),
      .shift_i   (shifts[k*8 +: 8]),
      .fraction_i(fractions[k*16 +: 16]),
      .sum_i     (sums[k*18 +: 18]),
      .shift_o   (shifts[(k+1)*8 +: 8]),
      .fraction_o(fractions[(k+1)*16 +: 16]),
      .sum_o     (sums[(k+1)*18 +: 18])
    );
  end

  logic [7:0]  shift;
  logic [17:0] power, rounded;
  logic        unused_rounded;

  assign shift = shifts[Steps*8 +: 8];
  assign power = sums[Steps*18 +: 18];
  assign rounded = (power >> shift[4:0]) + 18'd1;
  assign unused_rounded = rounded[17] ^ rounded[0];
  assign w_o = (shift >= 8'd17) ? 16'd0 : rounded[16:1];

endmodule
