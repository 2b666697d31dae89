"""Tests of archsim.validation."""
