"""Mappers: turn a cascade of Einsums and a machine into an engine program."""
