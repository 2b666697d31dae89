"""EdgeCIM: a decode accelerator of compute-in-memory tiles, as published, over its design space."""
