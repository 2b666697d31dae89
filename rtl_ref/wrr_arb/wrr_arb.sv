// Weighted round-robin arbiter. The grant goes to the first requester at or behind the pointer. The
// pointer moves only with a transfer: it stays on the winner for up to its weight of transfers and
// then goes to the next index; the rest of a quota is lost once another requester is served.
// A grant that waits for ready_i is held, whatever requests arrive meanwhile.
module wrr_arb #(
  parameter int N           = 4,
  parameter int WeightWidth = 4
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic [N-1:0]             req_i,
  input  logic [N*WeightWidth-1:0] weight_i,
  input  logic                     ready_i,
  output logic [N-1:0]             gnt_o,
  output logic                     valid_o
);

  localparam int IndexWidth = (N > 1) ? $clog2(N) : 1;

  logic [IndexWidth-1:0]  ptr_q, winner, next_index;
  logic [WeightWidth-1:0] used_q, used, weight;
  logic [N-1:0]           held_q;
  logic                   waiting_q, found;
  int                     place;

  always_comb begin
    winner = ptr_q;
    found = 1'b0;
    place = 0;
    for (int k = 0; k < N; k++) begin
      place = int'(ptr_q) + k;
      if (place >= N) place = place - N;
      if (!found && (waiting_q ? held_q[place[IndexWidth-1:0]] : req_i[place[IndexWidth-1:0]]))
      begin
        winner = place[IndexWidth-1:0];
        found = 1'b1;
      end
    end
  end

  assign valid_o    = |req_i;
  assign gnt_o      = found ? (N'(1) << winner) : '0;
  assign weight     = weight_i[winner*WeightWidth +: WeightWidth];
  assign used       = (winner == ptr_q) ? used_q + 1'b1 : WeightWidth'(1);
  assign next_index = (winner == IndexWidth'(N - 1)) ? '0 : winner + 1'b1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ptr_q     <= '0;
      used_q    <= '0;
      waiting_q <= 1'b0;
    end else begin
      waiting_q <= valid_o && !ready_i;
      if (valid_o && ready_i) begin
        if (used >= weight) begin
          ptr_q  <= next_index;
          used_q <= '0;
        end else begin
          ptr_q  <= winner;
          used_q <= used;
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) held_q <= '0;
    else held_q <= gnt_o;
  end

endmodule
