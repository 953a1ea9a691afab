"""What came out: one self-contained HTML page, and a short table for the terminal."""
