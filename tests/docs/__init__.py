"""The documentation's pages: parsed, checked, and run."""
