// Delays a word by a fixed number of clock cycles; zero stages is a wire.
module delay_line #(
  parameter int Stages = 1,
  parameter int Width  = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] d_i,
  output logic [Width-1:0] q_o
);

  if (Stages == 0) begin : gen_wire
    logic unused_clocking;
    assign unused_clocking = clk_i ^ rst_ni;
    assign q_o = d_i;
  end else if (Stages == 1) begin : gen_flop
    logic [Width-1:0] line_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) line_q <= '0;
      else line_q <= d_i;
    end
    assign q_o = line_q;
  end else begin : gen_line
    logic [Stages*Width-1:0] line_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) line_q <= '0;
      else line_q <= {line_q[(Stages-1)*Width-1:0], d_i};
    end
    assign q_o = line_q[Stages*Width-1 -: Width];
  end

endmodule
