"""Benches: how fast archsim itself is, in CPU seconds, beside a calibration loop."""
