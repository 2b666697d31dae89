// One pass of softmax over a row of scores that comes in tiles. Scores Q6.10 enter Lanes a beat
// into one of two tile buffers while the other one is worked on. A full tile updates the running
// maximum and issues one slot for the correction of what was summed before, then its scores, a
// beat a slot; slots start SlotSpacing cycles apart and leave the exponent six cycles later.
// in_first_i and in_last_i mark the first and the last tile of a row. Weights, corrections and,
// with done_o, the denominator UQ17.15 and the maximum leave without back-pressure.
module online_softmax #(
  parameter int Lanes       = 4,
  parameter int TileScores  = 16,
  parameter int SlotSpacing = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic                in_first_i,
  input  logic                in_last_i,
  input  logic [Lanes*16-1:0] s_i,
  output logic                w_valid_o,
  output logic [Lanes*16-1:0] w_o,
  output logic                prm_valid_o,
  output logic [15:0]         prm_o,
  output logic                done_o,
  output logic [31:0]         rd_o,
  output logic [15:0]         rm_o
);

  localparam int Beats     = TileScores / Lanes;
  localparam int ExpStages = 6;
  localparam int BeatWidth = (Beats > 1) ? $clog2(Beats) : 1;
  localparam int SlotWidth = $clog2(Beats + 1);
  localparam int WaitWidth = (SlotSpacing > 1) ? $clog2(SlotSpacing) : 1;

  typedef logic signed [15:0] score_t;

  // Loading.
  logic [1:0]           full_q, first_q, last_q;
  logic                 wr_buf_q, take, take_last;
  logic [BeatWidth-1:0] beat_q;
  score_t               beat_max, tile_max, score, max0_q, max1_q;
  logic [Lanes*16-1:0]  scores_q [2 << BeatWidth];

  assign in_ready_o = !full_q[wr_buf_q];
  assign take       = in_valid_i && in_ready_o;
  assign take_last  = take && beat_q == BeatWidth'(Beats - 1);

  always_comb begin
    beat_max = s_i[15:0];
    score = '0;
    for (int l = 1; l < Lanes; l++) begin
      score = s_i[l*16 +: 16];
      if (score > beat_max) beat_max = score;
    end
    tile_max = wr_buf_q ? max1_q : max0_q;
    if (beat_q == '0 || beat_max > tile_max) tile_max = beat_max;
  end

  // Issuing.
  logic                 rd_buf_q, issue, issue_prm, issue_last;
  logic [SlotWidth-1:0] slot_q;
  logic [WaitWidth-1:0] wait_q;
  score_t               local_max, rm_q, rm_new;
  logic [BeatWidth-1:0] read_beat;
  logic [Lanes*16-1:0]  read_scores;

  assign issue      = full_q[rd_buf_q] && wait_q == '0;
  assign issue_prm  = issue && slot_q == '0;
  assign issue_last = issue && slot_q == SlotWidth'(Beats);
  assign local_max  = rd_buf_q ? max1_q : max0_q;
  assign rm_new     = (first_q[rd_buf_q] || local_max > rm_q) ? local_max : rm_q;
  assign read_beat  = BeatWidth'(slot_q - 1'b1);

  assign read_scores = scores_q[{rd_buf_q, read_beat}];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      full_q   <= '0;
      wr_buf_q <= 1'b0;
      rd_buf_q <= 1'b0;
      beat_q   <= '0;
      slot_q   <= '0;
      wait_q   <= '0;
      rm_q     <= '0;
    end else begin
      if (take) beat_q <= take_last ? '0 : beat_q + 1'b1;
      if (issue) begin
        wait_q <= WaitWidth'(SlotSpacing - 1);
        slot_q <= issue_last ? '0 : slot_q + 1'b1;
        if (issue_prm) rm_q <= rm_new;
      end else if (wait_q != '0) begin
        wait_q <= wait_q - 1'b1;
      end
      if (issue_last) begin
        full_q[rd_buf_q] <= 1'b0;
        rd_buf_q <= !rd_buf_q;
      end
      if (take_last) begin
        full_q[wr_buf_q] <= 1'b1;
        wr_buf_q <= !wr_buf_q;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      scores_q[{wr_buf_q, beat_q}] <= s_i;
      first_q[wr_buf_q] <= in_first_i;
      last_q[wr_buf_q]  <= in_last_i;
      if (wr_buf_q) max1_q <= tile_max;
      else max0_q <= tile_max;
    end
  end

  // The exponents.
  logic        arrived, arrived_prm, arrived_first, arrived_done;
  logic [15:0] arrived_rm;
  logic [Lanes*16-1:0] weights;

  delay_line #(.Stages(ExpStages), .Width(20)) u_slot (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   ({issue, issue_prm, first_q[rd_buf_q], issue_last && last_q[rd_buf_q], rm_q}),
    .q_o   ({arrived, arrived_prm, arrived_first, arrived_done, arrived_rm})
  );

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    score_t      high, low;
    logic [16:0] distance;

    assign high = (l == 0 && issue_prm) ? rm_new : rm_q;
    assign low = (l == 0 && issue_prm) ? rm_q : read_scores[l*16 +: 16];
    assign distance = 17'(high) - 17'(low);

    exp_lane u_exp (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   (distance),
      .w_o   (weights[l*16 +: 16])
    );
  end

  // The denominator.
  logic [15:0] prm;
  logic [31:0] rd_q, sum;
  logic [47:0] scaled;
  logic        unused_scaled;

  assign prm = arrived_first ? 16'd0 : weights[15:0];
  assign scaled = 48'(rd_q) * 48'(prm) + 48'h4000;
  assign unused_scaled = ^{scaled[47], scaled[14:0]};

  always_comb begin
    sum = rd_q;
    for (int l = 0; l < Lanes; l++) sum = sum + 32'(weights[l*16 +: 16]);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      w_valid_o   <= 1'b0;
      prm_valid_o <= 1'b0;
      done_o      <= 1'b0;
      rd_q        <= '0;
    end else begin
      w_valid_o   <= arrived && !arrived_prm;
      prm_valid_o <= arrived && arrived_prm;
      done_o      <= arrived_done;
      if (arrived) rd_q <= !arrived_prm ? sum : arrived_first ? '0 : scaled[46:15];
    end
  end

  always_ff @(posedge clk_i) begin
    w_o   <= weights;
    prm_o <= prm;
    rm_o  <= arrived_rm;
  end

  assign rd_o = rd_q;

endmodule
