"""Tests of archsim; the folders mirror the packages."""
