"""Workloads: what a transformer computes, as cascades of Einsums."""
