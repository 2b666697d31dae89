"""Builders of cascades by layer type."""
