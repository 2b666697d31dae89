import pytest

from archsim.errors import ConfigError
from workloads.traces.request_generators import generate_requests
from workloads.traces.requests import Request, read_requests, write_requests

SAMPLES = {
    "burstgpt": (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n"
        "5,7,1.5,ChatGPT,472,18,490,Conversation log\n"
        "45,8,0.2,ChatGPT,1087,0,1087,API log\n"
        "118,7,9.1,GPT-4,417,276,693,Conversation log\n",
        [Request(0, 472, 18, session="7"), Request(113, 417, 276, session="7")],
    ),
    "azure": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,4808,10\n"
        "2023-11-16 18:17:04.0319600,3180,8\n",
        [Request(0, 4808, 10), Request(0.052, 3180, 8)],
    ),
    "azure with images": (
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n"
        "2024-10-15 00:00:00.5,2,900,40\n"
        "2024-10-15 00:00:02,0,80,5\n",
        [Request(0, 900, 40, images=2), Request(1.5, 80, 5)],
    ),
    "mooncake": (
        '{"timestamp": 3000, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
        "\n"
        '{"timestamp": 6000, "input_length": 7322, "output_length": 490, "hash_ids": [0, 2]}\n',
        [Request(0, 6758, 500, hash_ids=(0, 1)), Request(3, 7322, 490, hash_ids=(0, 2))],
    ),
    "vidur": (
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,374,44\n0.75,396,109\n",
        [Request(0, 374, 44), Request(0.25, 396, 109)],
    ),
    "sarathi, without arrivals": (
        "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n2588,291,2879,8.89\n",
        [Request(0, 2588, 291)],
    ),
    "archsim": (
        "arrival_s,prompt,output,adapter\n0,10,20,a\n1.25,30,40,\n",
        [Request(0, 10, 20, adapter="a"), Request(1.25, 30, 40)],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_formats(tmp_path, name):
    text, expected = SAMPLES[name]
    path = tmp_path / "trace"
    path.write_text(text, encoding="utf-8")
    found = read_requests(path)
    assert len(found) == len(expected)
    for request, wanted in zip(found, expected, strict=True):
        assert request.arrival_s == pytest.approx(wanted.arrival_s, abs=1e-6)
        assert (request.prompt, request.output) == (wanted.prompt, wanted.output)
        assert (request.session, request.adapter) == (wanted.session, wanted.adapter)
        assert (request.hash_ids, request.images) == (wanted.hash_ids, wanted.images)


def test_own_format_round_trip(tmp_path):
    requests = generate_requests("azure-conv", 20)
    write_requests(requests, tmp_path / "trace.csv")
    assert read_requests(tmp_path / "trace.csv") == requests


def test_blocks_of_prompts_survive_a_round_trip(tmp_path):
    requests = (
        Request(0.0, 600, 5, session="a", hash_ids=(7, 8)),
        Request(1.5, 1100, 3, adapter="x", hash_ids=(7, 9, 12), images=1),
        Request(1.5, 20, 3),
    )
    path = tmp_path / "trace.csv"
    write_requests(requests, path)
    assert read_requests(path) == requests
    path.write_text(path.read_text().replace("7 9 12", "7 nine"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"trace\.csv:3: bad row"):
        read_requests(path)


NATIVE = "arrival_s,prompt,output\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "trace:1: not the columns of a known request trace"),
        ("a,b\n1,2\n", "trace:1: not the columns of a known request trace"),
        (NATIVE, "trace:1: a request trace has at least one request"),
        (NATIVE + "1,2,3\n0.5,2,3\n", "trace:3: row out of order"),
        (NATIVE + "1,2,0\n", "trace:2: bad row: a request has at least one token"),
        (NATIVE + "1,x,3\n", "trace:2: bad row"),
        (NATIVE + "inf,2,3\n", "trace:2: bad row: inf is no time"),
        (NATIVE + "1,2\n", "trace:2: bad row"),
        ('{"timestamp": 1}\n', "trace:1: bad row"),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1}\n{\n', "trace:2: is not JSON"),
    ],
)
def test_bad_rows_say_file_and_line(tmp_path, text, message):
    path = tmp_path / "trace"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_requests(path)
