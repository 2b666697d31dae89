"""Tests of archsim.results."""
