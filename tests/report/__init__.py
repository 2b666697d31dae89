"""Tests of archsim.report."""
