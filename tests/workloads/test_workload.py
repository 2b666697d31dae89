import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from archsim.numberformat import Precision, parse_precision
from tests.workloads import plain_transformer as plain
from workloads import build_workload, load_workload, macs_by_layer, summarise


@given(st.integers(1, 3), st.integers(1, 9))
def test_prefill_equals_the_sum_of_decode_steps(batch, length):
    """Causal layers do the same products at once or token by token; the head differs."""
    model = plain.tiny_model()

    def layer_macs(workload):
        return {name: n for name, n in macs_by_layer(workload).items() if name != "head"}

    whole = layer_macs(build_workload(model, batch=batch, context=length))
    steps = [
        layer_macs(build_workload(model, phase="decode", batch=batch, context=position))
        for position in range(length)
    ]
    assert whole == {name: sum(step[name] for step in steps) for name in whole}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_total_macs_equal_the_sum_of_the_passes(batch, context, new_tokens):
    model = plain.tiny_model()
    options = {"batch": batch, "context": context, "new_tokens": new_tokens}
    generate = build_workload(model, phase="generate", **options)
    steps = [generate.step(index).macs() for index in range(generate.num_steps)]
    assert generate.num_steps == new_tokens - 1
    assert generate.total_macs() == generate.prefill().macs() + sum(steps)
    decode = build_workload(model, phase="decode", **options)
    steps = [decode.step(index).macs() for index in range(decode.num_steps)]
    assert decode.num_steps == new_tokens
    assert decode.total_macs() == sum(steps)
    assert decode.macs() == steps[0]


@pytest.mark.parametrize("context", [1, 128, 4096])
def test_llama_macs_from_its_shape(context):
    """Closed formulas of the layer shapes, written without the cascades."""
    d, h, g, e, s, v, layers, batch = 4096, 32, 8, 128, 14336, 128256, 32, 2
    linear = d * h * e * 2 + d * g * e * 2 + 3 * d * s
    prefill = load_workload("llama3-8b", batch=batch, context=context)
    triangle = context * (context + 1) // 2
    attention = 2 * h * e * triangle
    assert prefill.macs() == batch * (layers * (context * linear + attention) + d * v)
    dense = 2 * h * e * context * context
    assert prefill.dense_macs() == batch * (layers * (context * linear + dense) + d * v)
    decode = load_workload("llama3-8b", phase="decode", batch=batch, context=context)
    attention = 2 * h * e * (context + 1)
    assert decode.macs() == decode.dense_macs() == batch * (layers * (linear + attention) + d * v)


def test_compulsory_bytes_of_a_decode_step():
    workload = load_workload("llama3-8b", phase="decode", batch=3, context=1000)
    cache_row = 2 * 8 * 128 * 2
    rows_not_embedded = (128256 - 3) * 4096 * 2
    assert workload.compulsory_bytes() == {
        "weight": 8_030_261_248 * 2 - rows_not_embedded,
        "kv": 3 * 32 * 1001 * cache_row,
        "constant": 2 * 64 * 2,
        "input": 3 * 4,
        "output": 3 * 128256 * 2,
    }
    assert workload.weight_bytes() == 8_030_261_248 * 2
    assert workload.kv_bytes_per_token == 32 * cache_row == 131072


@given(
    st.sampled_from(["prefill", "decode", "generate"]),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(["bf16", "fp8", "int4"]),
)
def test_cache_bytes_grow_by_the_bytes_per_token(phase, batch, context, new_tokens, kv):
    workload = build_workload(
        plain.tiny_model(),
        phase=phase,
        batch=batch,
        context=context,
        new_tokens=new_tokens,
        precision=f"kv={kv}",
    )
    tokens = context + workload.num_steps
    assert workload.kv_bytes() == batch * tokens * workload.kv_bytes_per_token


def test_tied_embeddings_are_stored_once_and_read_by_the_head():
    workload = load_workload("llama3.2-1b", phase="decode", context=10)
    assert workload.weight_bytes() == 2 * 1_235_814_400
    assert workload.compulsory_bytes()["weight"] == 2 * (1_235_814_400 + 2048)


def test_precision_reaches_every_tensor_class():
    precision = parse_precision("weights=int8,act=fp16,kv=fp8,accumulator=int32")
    workload = load_workload("llama3-8b", context=16, precision=precision)
    cascade = workload.stages[1].cascade
    formats = {name: str(cascade.tensor(name).format) for name in ("WQ", "ANG", "QK", "K", "GM")}
    assert formats == {"WQ": "int8", "ANG": "fp16", "QK": "fp16", "K": "fp8", "GM": "int32"}
    assert build_workload(workload.model, precision=precision).precision == precision
    assert build_workload(workload.model).precision == Precision()


def test_stages():
    workload = load_workload("llama3-70b", context=64)
    assert [(stage.name, stage.repeat) for stage in workload.stages] == [
        ("embedding", 1),
        ("layer", 80),
        ("head", 1),
    ]
    assert workload.name == "llama3-70b"
    assert workload.prefill() == workload
    assert workload.stages[0].cascade.role_tensors("output")[0].name == "Y"
    with pytest.raises(WorkloadError, match="no such decode step; given 0; allowed: nothing"):
        workload.step(0)
    generate = load_workload("llama3-70b", phase="generate", context=64, new_tokens=3)
    assert generate.stages == workload.stages
    assert (generate.step(1).phase, generate.step(1).context) == ("decode", 65)
    with pytest.raises(WorkloadError, match="given 2; allowed: 0 to 1"):
        generate.step(2)
    with pytest.raises(WorkloadError, match="a decode has no prefill"):
        generate.step(0).prefill()


def test_encoders_have_one_phase():
    workload = load_workload("bert-base", batch=2, context=128)
    assert workload.warnings == ()
    assert workload.kv_bytes() == workload.kv_bytes_per_token == 0
    assert workload.macs() == workload.dense_macs()
    for phase in ("decode", "generate"):
        with pytest.raises(WorkloadError, match="bert-base is an encoder: it has no KV cache"):
            load_workload("bert-base", phase=phase)


def test_long_contexts_are_a_warning():
    assert load_workload("llama3-8b", context=8192).warnings == ()
    (warning,) = load_workload("llama3-8b", phase="decode", context=8192).warnings
    assert warning == (
        "llama3-8b: 8193 positions exceed the 8192 that the model was made for (max_context)"
    )
    assert load_workload("bert-base", context=2**20).warnings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phase": "prefil"}, "options.phase: unknown phase; given 'prefil'.*'prefill'"),
        ({"batch": 0}, "options.batch: must be from 1 to"),
        ({"context": 0}, "options.context: must be from 1 to"),
        ({"context": 10**30}, "options.context: must be from 1 to"),
        ({"phase": "decode", "context": -1}, "options.context: must be from 0 to"),
        ({"phase": "decode", "new_tokens": 0}, "options.new_tokens: must be from 1 to"),
    ],
)
def test_counts_out_of_range(options, message):
    with pytest.raises(WorkloadError, match=message):
        build_workload(plain.tiny_model(), **options)


def test_a_model_can_be_given_in_three_ways():
    by_id = load_workload("llama3-8b", context=8, overrides=("workload.layers=2",))
    assert by_id.stages[1].repeat == 2
    assert load_workload(by_id.model, context=8) == by_id
    with pytest.raises(WorkloadError, match="overrides need a model file or id"):
        load_workload(by_id.model, overrides=("workload.layers=3",))


def test_first_token_of_an_empty_cache():
    workload = build_workload(plain.tiny_model(), phase="decode", context=0)
    assert workload.macs() == build_workload(plain.tiny_model(), context=1).macs()


def test_summary_is_json_and_consistent():
    workload = load_workload("llama3-8b", phase="decode", batch=2, context=100)
    data = json.loads(json.dumps(summarise(workload)))
    assert data["parameters"] == 8_030_261_248
    assert sum(data["layers"].values()) == data["macs"] == workload.macs()
    assert data["layers"]["head"] == 2 * 4096 * 128256
    counted = sum(
        stage["repeat"] * einsum["op_counts"].get("mac", 0)
        for stage in data["stages"]
        for einsum in stage["einsums"]
    )
    assert counted == data["op_counts"]["mac"] == data["macs"]


def test_counts_do_not_depend_on_the_size():
    """Everything is closed form: a context of two thousand million tokens is as quick as one."""
    start = time.process_time()
    workload = load_workload("llama3-8b", context=2**31)
    summarise(workload)
    assert workload.macs() > 10**23
    assert time.process_time() - start < 1.0


def test_building_needs_no_numpy():
    program = (
        "import sys, workloads; assert not {'numpy', 'pydantic', 'yaml'} & set(sys.modules);"
        "w = workloads.load_workload('llama3-8b', context=4096); w.macs(); workloads.summarise(w);"
        "assert 'numpy' not in sys.modules; assert 'Cascade' in dir(workloads)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_unknown_names_of_the_package():
    import workloads

    with pytest.raises(AttributeError, match="no attribute 'load_workloads'"):
        _ = workloads.load_workloads
    assert set(workloads.__all__) <= set(dir(workloads))
    for name in workloads.__all__:
        assert getattr(workloads, name) is not None
