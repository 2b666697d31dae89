// Link with credits. The sender starts with one credit for each place of the receiver's queue and
// spends one with every item; an item travels DataLatency stages into the queue; taking it from
// the queue sends a credit back over CreditLatency stages. The queue can never overflow.
module credit_link #(
  parameter int Depth         = 4,
  parameter int DataLatency   = 3,
  parameter int CreditLatency = 2,
  parameter int Width         = 16
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);

  localparam int CountWidth = $clog2(Depth + 1);
  localparam int PtrWidth   = (Depth > 1) ? $clog2(Depth) : 1;

  logic [CountWidth-1:0] credits_q, stored_q;
  logic [PtrWidth-1:0]   wr_ptr_q, rd_ptr_q;
  logic                  send, arrive, take, credit;
  logic [Width-1:0]      arrived;

  assign in_ready_o = credits_q != '0;
  assign send       = in_valid_i && in_ready_o;

  delay_line #(.Stages(DataLatency), .Width(Width + 1)) u_data (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   ({send, in_data_i}),
    .q_o   ({arrive, arrived})
  );

  delay_line #(.Stages(CreditLatency), .Width(1)) u_credit (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   (take),
    .q_o   (credit)
  );

  assign out_valid_o = stored_q != '0;
  assign take        = out_valid_o && out_ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      credits_q <= CountWidth'(Depth);
      stored_q  <= '0;
      wr_ptr_q  <= '0;
      rd_ptr_q  <= '0;
    end else begin
      credits_q <= credits_q - CountWidth'(send) + CountWidth'(credit);
      stored_q  <= stored_q + CountWidth'(arrive) - CountWidth'(take);
      if (arrive) wr_ptr_q <= (wr_ptr_q == PtrWidth'(Depth - 1)) ? '0 : wr_ptr_q + 1'b1;
      if (take) rd_ptr_q <= (rd_ptr_q == PtrWidth'(Depth - 1)) ? '0 : rd_ptr_q + 1'b1;
    end
  end

  logic [Width-1:0] queue_q [1 << PtrWidth];

  always_ff @(posedge clk_i) begin
    if (arrive) queue_q[wr_ptr_q] <= arrived;
  end

  assign out_data_o = queue_q[rd_ptr_q];

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (arrive && !take) begin
      assert (stored_q != CountWidth'(Depth)) else $error("the queue overflows");
    end
    if (credit && !send) begin
      assert (credits_q != CountWidth'(Depth)) else $error("more credits than places");
    end
  end
`endif

endmodule
