"""Tests of archsim.cli."""
