"""Compute-in-memory macros: cycles, clock, energy, area and noise of digital and analog arrays."""
