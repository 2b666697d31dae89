// Buffer of two banks. The writer fills one bank, a word a cycle; the reader holds a full bank,
// reads it in any order (data one cycle after the address) and hands it back with bank_done_i.
// A bank handed back can be written from the next cycle; the change of banks costs no cycle.
module pingpong_buf #(
  parameter int Depth = 8,
  parameter int Width = 16
) (
  input  logic                                        clk_i,
  input  logic                                        rst_ni,
  input  logic                                        wr_valid_i,
  output logic                                        wr_ready_o,
  input  logic [Width-1:0]                            wr_data_i,
  output logic                                        bank_valid_o,
  input  logic                                        bank_done_i,
  input  logic [((Depth > 1) ? $clog2(Depth) : 1)-1:0] rd_addr_i,
  output logic [Width-1:0]                            rd_data_o
);

  localparam int AddrWidth = (Depth > 1) ? $clog2(Depth) : 1;

  logic [1:0]           full_q;
  logic                 wr_bank_q, rd_bank_q;
  logic [AddrWidth-1:0] wr_addr_q;
  logic                 write, write_last, done;

  assign wr_ready_o   = !full_q[wr_bank_q];
  assign bank_valid_o = full_q[rd_bank_q];
  assign write        = wr_valid_i && wr_ready_o;
  assign write_last   = write && wr_addr_q == AddrWidth'(Depth - 1);
  assign done         = bank_done_i && bank_valid_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      full_q    <= '0;
      wr_bank_q <= 1'b0;
      rd_bank_q <= 1'b0;
      wr_addr_q <= '0;
    end else begin
      if (write) wr_addr_q <= write_last ? '0 : wr_addr_q + 1'b1;
      if (write_last) begin
        full_q[wr_bank_q] <= 1'b1;
        wr_bank_q <= !wr_bank_q;
      end
      if (done) begin
        full_q[rd_bank_q] <= 1'b0;
        rd_bank_q <= !rd_bank_q;
      end
    end
  end

  // Words of both banks; the bank is the lowest bit of the address.
  logic [Width-1:0] words_q [2 << AddrWidth];

  always_ff @(posedge clk_i) begin
    if (write) words_q[{wr_addr_q, wr_bank_q}] <= wr_data_i;
  end

  always_ff @(posedge clk_i) begin
    rd_data_o <= words_q[{rd_addr_i, rd_bank_q}];
  end

endmodule
