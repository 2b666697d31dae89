"""What every block's bench shares: cases, builds, handshakes, coverage."""
