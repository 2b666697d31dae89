"""What a run of the tests prints at its end beside the failures."""

from __future__ import annotations

PRINTED = "functional coverage"
"""Property that a test may record: one line that everybody should see, also where it passes."""


def pytest_terminal_summary(terminalreporter):
    """Print the coverage of the register-transfer benches, block by block."""
    lines = [
        str(value)
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
        if name == PRINTED
    ]
    if lines:
        terminalreporter.section(PRINTED)
        for line in sorted(lines):
            terminalreporter.line(line)
