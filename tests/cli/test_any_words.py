"""No words, however wrong, end in a traceback."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.cli import main

pytestmark = pytest.mark.usefixtures("calls")

COMMANDS = ["run", "compare", "check", "show", "schema", "list", "validate"]
WORDS = st.one_of(
    st.sampled_from(["tpu-v4i", "llama3.2-1b", "scalesim", "hardware", "models", "claims"]),
    st.sampled_from(["--json", "--csv", "--phase", "--batch", "--set", "-o", "--data", "--from"]),
    st.sampled_from(["--seed", "--mapper", "--context", "--fidelity", "roofline", "--help", "--"]),
    st.sampled_from(["hardware.clocks.core=1", "options.seed=x", "=", "a=b", "9" * 400, "-1"]),
    st.text(max_size=12).filter(lambda text: "\x00" not in text),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=5))
def test_every_command_line_has_an_exit_code(command, words):
    out, err = io.StringIO(), io.StringIO()
    if "-o" in words:
        words[words.index("-o") :] = ["-o", "/dev/null"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([command, *words])
    assert code in (0, 2, 3, 4, 5)
    assert "Traceback" not in err.getvalue()
    if code == 2:
        assert err.getvalue().startswith("archsim: ")
