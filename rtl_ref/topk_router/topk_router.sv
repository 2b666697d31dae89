// Top-k router. Logits of a token enter one a cycle, expert 0 first; a sorted list of TopK entries
// takes each in a cycle, and a later logit moves ahead only if it is strictly greater, so ties keep
// the lower expert. The last logit writes the result, which may wait; the input stalls only if it
// still waits when the next token's last logit comes. With Capacity above 0 every expert takes that
// many tokens, in order, until in_clear_i comes with the first logit of a token; choices beyond
// that are marked as dropped.
module topk_router #(
  parameter int NumExperts = 16,
  parameter int TopK       = 2,
  parameter int DataWidth  = 16,
  parameter int Capacity   = 0
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                in_valid_i,
  output logic                                in_ready_o,
  input  logic                                in_clear_i,
  input  logic [DataWidth-1:0]                logit_i,
  output logic                                out_valid_o,
  input  logic                                out_ready_i,
  output logic [TopK*$clog2(NumExperts)-1:0]  expert_o,
  output logic [TopK*DataWidth-1:0]           logit_o,
  output logic [TopK-1:0]                     drop_o
);

  localparam int IdxWidth = $clog2(NumExperts);

  logic [IdxWidth-1:0]       expert_q;
  logic                      take, last, blocked;
  logic [TopK-1:0]           used_q, used_n, ahead;
  logic [TopK*IdxWidth-1:0]  experts_q, experts_n;
  logic [TopK*DataWidth-1:0] logits_q, logits_n;
  logic [TopK-1:0]           full;

  assign last       = expert_q == IdxWidth'(NumExperts - 1);
  assign blocked    = last && out_valid_o && !out_ready_i;
  assign in_ready_o = !blocked;
  assign take       = in_valid_i && in_ready_o;

  // The list with the new logit in it.
  for (genvar j = 0; j < TopK; j++) begin : gen_entry
    logic signed [DataWidth-1:0] old, logit;

    assign old = logits_q[j*DataWidth +: DataWidth];
    assign logit = logit_i;
    assign ahead[j] = !used_q[j] || logit > old;

    if (j == 0) begin : gen_first
      assign used_n[j] = 1'b1;
      assign experts_n[0 +: IdxWidth] = ahead[0] ? expert_q : experts_q[0 +: IdxWidth];
      assign logits_n[0 +: DataWidth] = ahead[0] ? logit_i : logits_q[0 +: DataWidth];
    end else begin : gen_rest
      assign used_n[j] = used_q[j-1] || used_q[j];
      assign experts_n[j*IdxWidth +: IdxWidth] =
          !ahead[j] ? experts_q[j*IdxWidth +: IdxWidth] :
          ahead[j-1] ? experts_q[(j-1)*IdxWidth +: IdxWidth] : expert_q;
      assign logits_n[j*DataWidth +: DataWidth] =
          !ahead[j] ? logits_q[j*DataWidth +: DataWidth] :
          ahead[j-1] ? logits_q[(j-1)*DataWidth +: DataWidth] : logit_i;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      expert_q    <= '0;
      used_q      <= '0;
      out_valid_o <= 1'b0;
    end else begin
      if (out_ready_i) out_valid_o <= 1'b0;
      if (take) begin
        expert_q <= last ? '0 : expert_q + 1'b1;
        used_q   <= last ? '0 : used_n;
        if (last) out_valid_o <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      experts_q <= experts_n;
      logits_q  <= logits_n;
      if (last) begin
        expert_o <= experts_n;
        logit_o  <= logits_n;
        drop_o   <= full;
      end
    end
  end

  if (Capacity > 0) begin : gen_capacity
    localparam int CountWidth = $clog2(Capacity + 1);

    logic [NumExperts*CountWidth-1:0] counts_q, counts_n;
    logic [IdxWidth-1:0]              chosen;

    always_comb begin
      counts_n = counts_q;
      full = '0;
      chosen = '0;
      for (int j = 0; j < TopK; j++) begin
        chosen = experts_n[j*IdxWidth +: IdxWidth];
        full[j] = counts_q[chosen*CountWidth +: CountWidth] == CountWidth'(Capacity);
        if (!full[j]) begin
          counts_n[chosen*CountWidth +: CountWidth] =
              counts_q[chosen*CountWidth +: CountWidth] + 1'b1;
        end
      end
    end

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) counts_q <= '0;
      else if (take && in_clear_i && expert_q == '0) counts_q <= '0;
      else if (take && last) counts_q <= counts_n;
    end
  end else begin : gen_unlimited
    logic unused_clear;
    assign unused_clear = in_clear_i;
    assign full = '0;
  end

endmodule
