// DRAM bank with a multiply-accumulate unit beside it. A command is accepted on the first edge on
// which the state of the bank and its timing allow it; until then cmd_ready_o stays 0. Three down
// counters keep the timing: to the next column command, precharge, and activate or refresh.
// Reads and MACs are pipelined; data leaves TCl, accumulators TMac cycles after the command.
module pim_bank #(
  parameter int Lanes      = 2,
  parameter int NumRows    = 4,
  parameter int ColsPerRow = 32,
  parameter int TRcd       = 14,
  parameter int TRp        = 14,
  parameter int TRas       = 33,
  parameter int TCcd       = 4,
  parameter int TRtp       = 5,
  parameter int TWtp       = 20,
  parameter int TCl        = 14,
  parameter int TMac       = 6,
  parameter int TRfc       = 50
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          cmd_valid_i,
  output logic                          cmd_ready_o,
  input  logic [2:0]                    cmd_i,
  input  logic [$clog2(NumRows)-1:0]    row_i,
  input  logic [$clog2(ColsPerRow)-1:0] col_i,
  input  logic                          clear_i,
  input  logic                          scalar_i,
  input  logic [Lanes*8-1:0]            data_i,
  output logic                          rd_valid_o,
  output logic [Lanes*8-1:0]            rd_data_o,
  output logic                          mac_valid_o,
  output logic [Lanes*32-1:0]           mac_o
);

  localparam int TimeWidth = 10;
  localparam int RowWidth  = $clog2(NumRows);
  localparam int ColWidth  = $clog2(ColsPerRow);

  typedef logic [TimeWidth-1:0] time_t;

  localparam logic [2:0] CmdNop = 3'd0;
  localparam logic [2:0] CmdAct = 3'd1;
  localparam logic [2:0] CmdRd  = 3'd2;
  localparam logic [2:0] CmdMac = 3'd3;
  localparam logic [2:0] CmdWr  = 3'd4;
  localparam logic [2:0] CmdPre = 3'd5;
  localparam logic [2:0] CmdRef = 3'd6;

  logic                open_q;
  logic [RowWidth-1:0] row_q;
  time_t               col_wait_q, pre_wait_q, act_wait_q;
  time_t               pre_left, pre_need;
  logic                accept, column, do_rd, do_mac, do_wr;

  always_comb begin
    cmd_ready_o = 1'b0;
    unique case (cmd_i)
      CmdNop:               cmd_ready_o = 1'b1;
      CmdAct, CmdRef:       cmd_ready_o = !open_q && act_wait_q == '0;
      CmdRd, CmdMac, CmdWr: cmd_ready_o = open_q && col_wait_q == '0;
      CmdPre:               cmd_ready_o = open_q && pre_wait_q == '0;
      default:              cmd_ready_o = 1'b0;
    endcase
  end

  assign accept = cmd_valid_i && cmd_ready_o;
  assign do_rd  = accept && cmd_i == CmdRd;
  assign do_mac = accept && cmd_i == CmdMac;
  assign do_wr  = accept && cmd_i == CmdWr;
  assign column = do_rd || do_mac || do_wr;

  // A column command keeps the precharge away at least as long as the row still needs.
  assign pre_left = (pre_wait_q == '0) ? '0 : pre_wait_q - 1'b1;
  assign pre_need = do_wr ? time_t'(TWtp - 1) : time_t'(TRtp - 1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q     <= 1'b0;
      col_wait_q <= '0;
      pre_wait_q <= '0;
      act_wait_q <= '0;
    end else begin
      if (col_wait_q != '0) col_wait_q <= col_wait_q - 1'b1;
      if (act_wait_q != '0) act_wait_q <= act_wait_q - 1'b1;
      pre_wait_q <= pre_left;
      if (accept && cmd_i == CmdAct) begin
        open_q     <= 1'b1;
        col_wait_q <= time_t'(TRcd - 1);
        pre_wait_q <= time_t'(TRas - 1);
      end
      if (column) begin
        col_wait_q <= time_t'(TCcd - 1);
        pre_wait_q <= (pre_left > pre_need) ? pre_left : pre_need;
      end
      if (accept && cmd_i == CmdPre) begin
        open_q     <= 1'b0;
        act_wait_q <= time_t'(TRp - 1);
      end
      if (accept && cmd_i == CmdRef) act_wait_q <= time_t'(TRfc - 1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (accept && cmd_i == CmdAct) row_q <= row_i;
  end

  // The cells.
  logic [Lanes*8-1:0]           cells_q [NumRows*ColsPerRow];
  logic [RowWidth+ColWidth-1:0] address;
  logic [Lanes*8-1:0]           word;

  assign address = {row_q, col_i};
  assign word = cells_q[address];

  always_ff @(posedge clk_i) begin
    if (do_wr) cells_q[address] <= data_i;
  end

  delay_line #(.Stages(TCl), .Width(1)) u_rd_valid (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   (do_rd),
    .q_o   (rd_valid_o)
  );
  delay_line #(.Stages(TCl), .Width(Lanes*8)) u_rd_data (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   (word),
    .q_o   (rd_data_o)
  );

  // The unit beside the bank: products travel TMac - 1 stages, then enter the accumulators.
  logic mac_valid, mac_clear;

  delay_line #(.Stages(TMac - 1), .Width(2)) u_mac_valid (
    .clk_i (clk_i),
    .rst_ni(rst_ni),
    .d_i   ({do_mac && clear_i, do_mac}),
    .q_o   ({mac_clear, mac_valid})
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) mac_valid_o <= 1'b0;
    else mac_valid_o <= mac_valid;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [7:0]  weight, operand;
    logic signed [15:0] product, arrived;
    logic signed [31:0] acc_q;

    assign weight = word[l*8 +: 8];
    assign operand = scalar_i ? data_i[7:0] : data_i[l*8 +: 8];
    assign product = weight * operand;

    delay_line #(.Stages(TMac - 1), .Width(16)) u_product (
      .clk_i (clk_i),
      .rst_ni(rst_ni),
      .d_i   (product),
      .q_o   (arrived)
    );

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) acc_q <= '0;
      else if (mac_valid) acc_q <= (mac_clear ? 32'sd0 : acc_q) + 32'(arrived);
    end

    assign mac_o[l*32 +: 32] = acc_q;
  end

endmodule
