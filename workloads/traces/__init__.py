"""Traces: which experts tokens choose, and when requests of which length arrive."""
