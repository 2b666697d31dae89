"""Measure the GPU at hand: which operators, how they are timed, and the table that they go into."""
