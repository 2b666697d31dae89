"""Request traces from the command line: described, fitted, generated."""

import pytest

from workloads.traces.requests import read_requests


def test_a_trace_is_generated_shown_fitted_and_generated_again(archsim, tmp_path):
    trace, profile, again = (tmp_path / name for name in ("a.csv", "fit.yaml", "b.csv"))
    made = archsim("trace", "generate", "azure-conv", "-n", "600", "-o", str(trace))
    assert (made.code, made.out) == (0, "")
    record = archsim("trace", "show", str(trace), "--json").json
    assert record["requests"] == len(read_requests(trace)) == 600
    assert record["arrivals"]["rate_per_s"] == pytest.approx(5.5, rel=0.3)
    fitted = archsim("trace", "fit", str(trace), "-o", str(profile), "--json").json
    assert fitted["arrivals"] == record["arrivals"]
    assert fitted["fitted"]["arrivals"]["rate_per_s"] == record["arrivals"]["rate_per_s"]
    assert fitted["fitted"]["prompt"]["p50"] == pytest.approx(record["prompt"]["p50"], rel=0.2)
    archsim("trace", "generate", str(profile), "-n", "50", "-o", str(again))
    assert len(read_requests(again)) == 50
    shown = archsim("trace", "fit", str(trace)).out
    assert "variance / mean" in shown
    assert "fitted as" in shown
    assert "10 % up to" in archsim("trace", "show", str(trace)).out


def test_a_generated_trace_goes_to_the_screen(archsim):
    lines = archsim("trace", "generate", "burstgpt", "-n", "3", "--seed", "5").out.splitlines()
    assert lines[0].startswith("arrival_s,prompt,output")
    assert len(lines) == 4
    other = archsim("trace", "generate", "burstgpt", "-n", "3").out.splitlines()
    assert lines[0] == other[0]
    assert lines[1:] != other[1:]
    assert "show" in archsim("trace").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "none.csv"), "none.csv: cannot be read"),
        (("fit", "none.csv"), "none.csv: cannot be read"),
        (("generate", "azure-cod"), "did you mean 'azure-code'"),
        (("generate", "none.yaml"), "there is no such file"),
        (("generate", "azure-code", "-n", "0"), "at least one request"),
        (("generate", "azure-code", "--seed", "-1"), "must not be negative"),
    ],
)
def test_bad_words(archsim, words, message):
    done = archsim("trace", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_a_row_out_of_order_is_named(archsim, tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,prompt,output\n1,2,3\n0.5,2,3\n", encoding="utf-8")
    done = archsim("trace", "show", str(path))
    assert done.code == 2
    assert "trace.csv:3: row out of order" in done.err


def test_lengths_without_arrivals_are_shown(archsim, tmp_path):
    path = tmp_path / "lengths.csv"
    rows = "".join(f"{100 + n},{10 + n % 7}\n" for n in range(60))
    path.write_text("num_prefill_tokens,num_decode_tokens\n" + rows, encoding="utf-8")
    record = archsim("trace", "show", str(path), "--json").json
    assert record["arrivals"] is None
    assert record["prompt"]["p50"] == 129.5
    assert "rate" not in archsim("trace", "show", str(path)).out
    done = archsim("trace", "fit", str(path))
    assert done.code == 2
    assert "too few arrivals to tell how they come" in done.err
