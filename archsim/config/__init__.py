"""Configuration: YAML documents, overrides, validated models and their schemas."""
