"""Requests of a mixed batch as text and in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from workloads.batch_file import MAX_REQUESTS, batch_requests, parse_batch, read_batch

pairs = st.lists(st.tuples(st.integers(1, 2**31), st.integers(0, 2**31)), min_size=1, max_size=8)


@given(pairs, st.integers(1, 5))
def test_every_list_is_read_as_it_is_written(requests, count):
    text = ", ".join(f"{count}x{new}+{history}" for new, history in requests)
    expected = tuple(pair for pair in requests for _ in range(count))
    assert parse_batch(text) == batch_requests(text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("batch.csv", "new,history,count\n512,0,1\n\n1,2000,2\n"),
        ("batch.csv", "count, new , history\n,512,\n2,1,2000\n"),
        ("batch.json", '[512, {"new": 1}]'),
        ("batch.json", '[[512],\n [1, 2000], {"new": 1, "history": 2000}]\n'),
        ("batch.JSON", ' [ {"new": 512, "count": 1} , {"count": 2, "history": 2000, "new": 1} ] '),
    ],
)
def test_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    if text.startswith("[512"):
        with pytest.raises(ConfigError, match=r"batch.json:1: must be an object or a list"):
            read_batch(path)
        return
    assert batch_requests(str(path)) == ((512, 0), (1, 2000), (1, 2000))


def test_tokens_of_decode_steps(tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text("id,tokens\n0,4000\n\n1,64\n", encoding="utf-8")
    assert batch_requests(str(path)) == ((1, 4000), (1, 64))
    path.write_text("id,tokens\n0,4000\n1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tokens.csv:3: tokens: must be a whole number"):
        read_batch(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.csv", "", r"b.csv:1: a batch needs the column new"),
        ("b.csv", "new,histry\n1,2\n", r"b.csv:1: unknown key.*did you mean 'history'"),
        ("b.csv", "new\n1\n-1\n", r"b.csv:3: new: must be a whole number of at least 1"),
        ("b.csv", "new,history\n1,0\n,5\n", r"b.csv:3: new: a request has new positions"),
        ("b.csv", "new,count\n1,0\n", r"b.csv:2: count: must be a whole number of at least 1"),
        ("b.csv", "new,history\n1\n", r"b.csv:2: a row has another number of columns"),
        ("b.csv", "new\n", r"b.csv:1: a batch has at least one request"),
        ("b.csv", f"new,count\n1,{MAX_REQUESTS}\n1,1\n", r"b.csv:3: .*too many requests"),
        ("b.json", '{"new": 1}', r"b.json:1: a batch is a list"),
        ("b.json", "[]", r"b.json:1: a batch has at least one request"),
        ("b.json", '[[1, 2],\n {"new": 1,]', r"b.json:2: is not a JSON list"),
        ("b.json", "[[1, 2]", r"b.json:1: is not a JSON list"),
        ("b.json", "[[1, 2]] x", r"b.json:1: is not a JSON list"),
        ("b.json", "[[1.5]]", r"b.json:1: new: must be a whole number"),
        ("b.json", "[[true]]", r"b.json:1: new: must be a whole number"),
        ("b.json", '[{"nw": 1}]', r"b.json:1: unknown key of a request"),
        ("b.json", '[{"history": 1}]', r"b.json:1: new: a request has new positions"),
    ],
)
def test_bad_files_say_file_and_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        batch_requests(str(path))


@pytest.mark.parametrize("text", ["", ",", "x1", "5x", "1++2", "1+", "99999999x1", "0x1", "1 2"])
def test_bad_lists(text):
    with pytest.raises(ConfigError, match=r"options\.requests"):
        batch_requests(text)


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read as text"):
        batch_requests(str(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match="neither a list of requests nor a file"):
        batch_requests("a hundred")
