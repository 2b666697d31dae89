"""DRAM at command level: standards as data, a cycle-exact controller, traces and statistics."""
