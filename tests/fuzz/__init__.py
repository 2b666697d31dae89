"""A bounded, seeded fuzzer of everything that reads user input: ``python -m tests.fuzz.run``."""
