// A small attention tile put together from the other blocks. Operand beats of Q and K pass the
// memory port into the output-stationary array; rows of scores go into one bank of the ping-pong
// buffer, Tiles tiles of Rows rows; the other bank is read query by query into the online softmax;
// its weights leave through a queue and the same memory port. The arbiter shares the port between
// operands (0) and weights (1). A tile starts only if its bank is free, and scores enter the
// softmax only if the queue has room for their weights, so that nothing is ever lost.
module attn_tile #(
  parameter int Rows        = 2,
  parameter int Cols        = 4,
  parameter int Tiles       = 2,
  parameter int QueueDepth  = 2,
  parameter int WeightIn    = 2,
  parameter int WeightOut   = 1,
  parameter int SlotSpacing = 1,
  parameter int ScoreShift  = 2
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               mem_ready_i,
  input  logic               in_valid_i,
  output logic               in_ready_o,
  input  logic               in_last_i,
  input  logic [Rows*8-1:0]  a_i,
  input  logic [Cols*8-1:0]  b_i,
  output logic               out_valid_o,
  output logic [Cols*16-1:0] out_o,
  output logic               prm_valid_o,
  output logic [15:0]        prm_o,
  output logic               done_o,
  output logic [31:0]        rd_o,
  output logic [15:0]        rm_o
);

  localparam int AccWidth   = 24;
  localparam int Words      = Rows * Tiles;
  localparam int AddrWidth  = (Words > 1) ? $clog2(Words) : 1;
  localparam int RowWidth   = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int TileWidth  = (Tiles > 1) ? $clog2(Tiles) : 1;
  localparam int QueueWidth = $clog2(QueueDepth + 1);
  localparam int PtrWidth   = (QueueDepth > 1) ? $clog2(QueueDepth) : 1;

  // The memory port.
  logic [1:0] request, grant;
  logic       port_valid, beat_go, write_go;

  wrr_arb #(.N(2), .WeightWidth(4)) u_arbiter (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .req_i   (request),
    .weight_i({4'(WeightOut), 4'(WeightIn)}),
    .ready_i (mem_ready_i),
    .gnt_o   (grant),
    .valid_o (port_valid)
  );

  assign beat_go  = port_valid && mem_ready_i && grant[0];
  assign write_go = port_valid && mem_ready_i && grant[1];

  // Scores.
  logic                     array_ready, row_valid, row_last_out, bank_free;
  logic [Cols*AccWidth-1:0] row;
  logic [Cols*16-1:0]       scores;

  assign request[0] = in_valid_i && array_ready && bank_free;
  assign in_ready_o = array_ready && bank_free && mem_ready_i && grant[0];

  os_array #(.Rows(Rows), .Cols(Cols), .DataWidth(8), .AccWidth(AccWidth)) u_array (
    .clk_i      (clk_i),
    .rst_ni     (rst_ni),
    .in_valid_i (beat_go),
    .in_ready_o (array_ready),
    .in_last_i  (in_last_i),
    .a_i        (a_i),
    .b_i        (b_i),
    .out_valid_o(row_valid),
    .out_last_o (row_last_out),
    .c_o        (row)
  );

  logic unused_row_last;
  assign unused_row_last = row_last_out;

  for (genvar c = 0; c < Cols; c++) begin : gen_score
    logic signed [AccWidth-1:0] shifted;
    logic                       fits;

    assign shifted = $signed(row[c*AccWidth +: AccWidth]) >>> ScoreShift;
    assign fits = shifted[AccWidth-1:15] == '0 || &shifted[AccWidth-1:15];
    assign scores[c*16 +: 16] = fits ? shifted[15:0] :
                                shifted[AccWidth-1] ? 16'h8000 : 16'h7fff;
  end

  // Scores of a block of queries, read query by query; rows of a tile lie bottom first.
  logic                 bank_valid, feed_valid_q, feed_go, feed_last, tile_last, row_last;
  logic                 softmax_ready, softmax_go, advance;
  logic [RowWidth-1:0]  row_q, row_n;
  logic [TileWidth-1:0] tile_q, tile_n;
  logic [AddrWidth-1:0] address;
  logic [Cols*16-1:0]   feed;

  assign tile_last = tile_q == TileWidth'(Tiles - 1);
  assign row_last  = row_q == RowWidth'(Rows - 1);
  assign feed_last = tile_last && row_last;
  assign feed_go   = feed_valid_q && softmax_go;
  assign advance   = feed_go && !feed_last;

  always_comb begin
    tile_n = tile_q;
    row_n = row_q;
    if (advance) begin
      tile_n = tile_last ? '0 : tile_q + 1'b1;
      if (tile_last) row_n = row_q + 1'b1;
    end else if (feed_go) begin
      tile_n = '0;
      row_n = '0;
    end
  end

  assign address = AddrWidth'(int'(tile_n) * Rows + (Rows - 1) - int'(row_n));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      feed_valid_q <= 1'b0;
      row_q        <= '0;
      tile_q       <= '0;
    end else begin
      feed_valid_q <= bank_valid && !(feed_go && feed_last);
      row_q        <= row_n;
      tile_q       <= tile_n;
    end
  end

  pingpong_buf #(.Depth(Words), .Width(Cols*16)) u_buffer (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .wr_valid_i  (row_valid),
    .wr_ready_o  (bank_free),
    .wr_data_i   (scores),
    .bank_valid_o(bank_valid),
    .bank_done_i (feed_go && feed_last),
    .rd_addr_i   (address),
    .rd_data_o   (feed)
  );

  // Softmax; a place in the queue is taken when scores enter, and given back when weights leave.
  logic [QueueWidth-1:0] places_q, stored_q;
  logic [PtrWidth-1:0]   wr_ptr_q, rd_ptr_q;
  logic                  weight_valid;
  logic [Cols*16-1:0]    weight;
  logic [Cols*16-1:0]    queue_q [1 << PtrWidth];

  assign softmax_go = softmax_ready && places_q != '0;

  online_softmax #(.Lanes(Cols), .TileScores(Cols), .SlotSpacing(SlotSpacing)) u_softmax (
    .clk_i      (clk_i),
    .rst_ni     (rst_ni),
    .in_valid_i (feed_go),
    .in_ready_o (softmax_ready),
    .in_first_i (tile_q == '0),
    .in_last_i  (tile_last),
    .s_i        (feed),
    .w_valid_o  (weight_valid),
    .w_o        (weight),
    .prm_valid_o(prm_valid_o),
    .prm_o      (prm_o),
    .done_o     (done_o),
    .rd_o       (rd_o),
    .rm_o       (rm_o)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      places_q <= QueueWidth'(QueueDepth);
      stored_q <= '0;
      wr_ptr_q <= '0;
      rd_ptr_q <= '0;
    end else begin
      places_q <= places_q - QueueWidth'(feed_go) + QueueWidth'(write_go);
      stored_q <= stored_q + QueueWidth'(weight_valid) - QueueWidth'(write_go);
      if (weight_valid) begin
        wr_ptr_q <= (wr_ptr_q == PtrWidth'(QueueDepth - 1)) ? '0 : wr_ptr_q + 1'b1;
      end
      if (write_go) begin
        rd_ptr_q <= (rd_ptr_q == PtrWidth'(QueueDepth - 1)) ? '0 : rd_ptr_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (weight_valid) queue_q[wr_ptr_q] <= weight;
  end

  assign request[1]  = stored_q != '0;
  assign out_valid_o = write_go;
  assign out_o       = queue_q[rd_ptr_q];

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (row_valid) assert (bank_free) else $error("a row of scores is lost");
    if (weight_valid && !write_go) begin
      assert (stored_q != QueueWidth'(QueueDepth)) else $error("the queue overflows");
    end
  end
`endif

endmodule
