"""Systems of processors and computing memories: capacity, placement, laws, marks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, run_operation
from archsim.pim.systems import capacity_batch, decode, generation, largest_batch
from archsim.pim.systems_asic import moved_bytes, row_hits
from archsim.pim.systems_cent import controller_s
from archsim.pim.systems_cent_block import block_instructions
from archsim.pim.systems_experts import expert_tokens, split
from archsim.pim.systems_file import MARKS, SYSTEMS, load_system, without_pim
from archsim.pim.systems_model import served_model
from archsim.pim.systems_place import (
    command_seconds,
    equal_heads_seconds,
    law_seconds,
    loads,
    tile_seconds,
)
from archsim.pim.systems_run import Job, middles, mixed_steps, token_by_token_s
from archsim.pim.systems_sides import all_reduce_s
from archsim.pim.systems_step import step
from archsim.pim.systems_waves import product_share, wave_share
from workloads import load_model

ALL = ("cent", "dgx-attacc", "duplex", "neupims", "pim-gpt")


def system(name, *overrides):
    return load_system(name, [f"hardware.{text}" for text in overrides])[0]


def model(name, weight_bytes=2, cache_bytes=2):
    return served_model(load_model(name), weight_bytes, cache_bytes)


@pytest.mark.parametrize("name", SYSTEMS.yaml_names())
def test_every_number_of_a_system_is_marked(name):
    from archsim.config.provenance import numbers

    _, document = load_system(name)
    for path in numbers(document.data, "hardware"):
        source = document.sources.get(path, "")
        assert source.startswith(MARKS), f"{path}: {source!r}"


def test_the_published_systems_are_there():
    assert set(ALL) <= set(SYSTEMS.yaml_names())


def test_a_175b_request_of_2176_tokens_holds_ten_gigabytes():
    gpt = model("gpt3-175b")
    assert gpt.token_bytes == 2 * 96 * 12288 * 2
    assert 10.2e9 < gpt.token_bytes * 2176 < 10.3e9
    assert abs(gpt.weights / 175e9 - 1) < 0.01


def test_parameters_of_models_with_experts_are_the_published_ones():
    assert abs(model("mixtral-8x7b").weights / 46.7e9 - 1) < 0.01
    assert abs(model("grok-1").weights / 314e9 - 1) < 0.01


def test_weights_that_do_not_fit_are_a_typed_result():
    found = capacity_batch(system("pim-gpt"), model("gpt3-175b"), 128)
    assert isinstance(found, Infeasible)
    assert found.resource == "weights"
    assert found.need > found.have > 0


def test_a_cache_past_capacity_is_a_typed_result():
    found = capacity_batch(system("dgx-attacc"), model("gpt3-175b"), 200_000)
    assert isinstance(found, Infeasible)
    assert (found.resource, found.unit) == ("capacity", "B")
    assert found.need == 200_000 * 2 * 96 * 12288 * 2 > found.have == 40 * 16 * 2**30


@settings(max_examples=20, deadline=None)
@given(tokens=st.integers(16, 8192))
def test_the_largest_batch_fits_and_one_more_does_not(tokens):
    gpt, attacc = model("gpt3-175b"), system("dgx-attacc")
    found = capacity_batch(attacc, gpt, tokens)
    room = 40 * 16 * 2**30
    assert found * gpt.token_bytes * tokens <= room < (found + 1) * gpt.token_bytes * tokens


@pytest.mark.parametrize("slo_s", [0.028, 0.03, 0.05])
def test_a_limit_on_the_time_between_tokens_is_used_up(slo_s):
    gpt, attacc = model("gpt3-175b"), system("dgx-attacc")
    found = largest_batch(attacc, gpt, 512, 128, slo_s)
    assert decode(attacc, gpt, found, 640).latency_s <= slo_s
    assert decode(attacc, gpt, found + 1, 640).latency_s > slo_s or found == largest_batch(
        attacc, gpt, 512, 128
    )


def test_a_limit_that_no_batch_keeps_is_a_typed_result():
    found = largest_batch(system("dgx-attacc"), model("gpt3-175b"), 2048, 128, 1e-3)
    assert isinstance(found, Infeasible)
    assert found.unit == "ps"
    assert found.need > found.have == 10**9


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.floats(0.1, 10), min_size=1, max_size=60),
    places=st.integers(1, 20),
    order=st.sampled_from(["round-robin", "longest-first"]),
)
def test_dealing_loses_nothing_and_the_slowest_channel_bounds_it(costs, places, order):
    found = loads(np.array(costs), places, order)
    assert len(found) == places
    assert found.sum() == pytest.approx(sum(costs))
    least = max(sum(costs) / places, max(costs))
    assert found.max() >= least - 1e-9
    if order == "longest-first":
        assert found.max() <= least * (4 / 3) + max(costs)


def test_the_slowest_channel_decides():
    neupims, gpt = system("neupims", "homes.overlap=none"), model("gpt3-6.7b")
    even = step(neupims, gpt, np.full(32, 512))
    uneven = step(neupims, gpt, np.array([8192] + [264] * 31))
    assert even.imbalance == pytest.approx(1)
    assert uneven.imbalance > 4
    # The long one alone on its channel; of the others, two tiles of keys more than their tokens.
    assert 14 < uneven.parts_s["attention"] / even.parts_s["attention"] < 16


def test_commands_of_one_head_take_what_the_simulator_measured():
    # A pair of heads: 7861 cycles of 769 ps, refreshes included, at 2048 tokens (a recorded run of
    # the AttAcc simulator).
    pair = equal_heads_seconds("attacc-bank", 2048, 128, 2, 2)
    assert pair == pytest.approx(7861 * 769e-12, rel=0.005)
    each = command_seconds("attacc-bank", np.array([2048]), 128, 2)[0]
    assert equal_heads_seconds("attacc-bank", 2048, 128, 2, 24) == pytest.approx(24 * each)


@pytest.mark.parametrize(("tokens", "heads"), [(2049, 384), (2049, 12), (4097, 96), (513, 320)])
def test_a_step_takes_what_the_device_takes_for_the_same_heads(tokens, heads):
    device = load_device("attacc-bank", ("hardware.stacks=5",))
    alone = run_operation(device, Attention(tokens, 128, heads, heads, 1, 2))
    gpt, requests = model("gpt3-175b"), heads // 12
    if heads % 12:
        gpt, requests = model("llama-65b"), heads // 8
    found = decode(system("dgx-attacc"), gpt, requests, tokens)
    assert found.parts_s["attention"] / gpt.layers == pytest.approx(
        alone.time_ps * 1e-12, rel=0.005
    )


def test_grouped_heads_cost_operations_once_lanes_are_full():
    duplex = system("duplex").pim
    lengths = np.array([1024])
    one, four, sixteen = (law_seconds(duplex, lengths, 128, group, 2)[0] for group in (1, 4, 16))
    assert one == four
    assert sixteen == pytest.approx(2 * one)


@settings(max_examples=30, deadline=None)
@given(requests=st.integers(1, 200), active=st.integers(1, 8))
def test_experts_get_about_the_tokens_there_are(requests, active):
    found = expert_tokens(requests, 8, active)
    assert (np.diff(found) >= 0).all()
    assert found.max() <= requests
    assert abs(found.sum() - requests * active) <= 8


@given(times=st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1, max_size=12))
def test_both_sides_are_never_slower_than_one(times):
    memory, xpu = (np.array(column) for column in zip(*times, strict=True))
    found, kept = split(memory, xpu)
    assert found <= min(memory.sum(), xpu.sum()) + 1e-9
    assert 0 <= kept <= len(times)


@pytest.mark.parametrize("name", ALL)
def test_more_requests_take_longer_and_cost_less_each(name):
    name_of_model = "gpt2-xl" if name == "pim-gpt" else "llama2-7b"
    small, large = (decode(system(name), model(name_of_model), n, 512) for n in (1, 8))
    assert large.latency_s >= small.latency_s
    assert large.joules_per_token <= small.joules_per_token * (1 + 1e-9)
    assert sum(large.parts_s.values()) >= large.latency_s > 0


def test_faster_is_never_slower_than_either_side():
    mixtral = model("mixtral-8x7b")
    times = {
        where: generation(
            system("duplex", f"homes.attention={where}", f"homes.experts={where}"),
            mixtral,
            64,
            512,
            64,
        ).latency_s
        for where in ("xpu", "pim", "faster")
    }
    assert times["faster"] <= min(times["xpu"], times["pim"]) * (1 + 1e-12)


def test_two_halves_are_taken_only_where_they_pay():
    gpt = model("gpt3-6.7b")
    for batch in (2, 16, 256):
        halves = decode(system("neupims"), gpt, batch, 376)
        whole = decode(system("neupims", "homes.overlap=none"), gpt, batch, 376)
        assert halves.latency_s <= whole.latency_s * (1 + 1e-12)


def test_without_pim_everything_is_on_the_processors():
    found = decode(without_pim(system("duplex")), model("mixtral-8x7b"), 32, 1024)
    assert set(found.where.values()) == {"xpu"}
    assert found.energy_j["pim memory"] == 0


def test_models_that_no_system_serves_are_named():
    with pytest.raises(ConfigError, match="latent"):
        model("deepseek-v3")
    with pytest.raises(ConfigError, match="unknown"):
        load_system("dgx-attac")


def test_memory_alone_cannot_place_work_on_a_processor():
    with pytest.raises(ConfigError, match="there is no xpu"):
        system("cent", "homes.ffn=xpu")


def test_blocks_of_cent_shrink_with_channels_and_grow_with_requests():
    llama = model("llama2-7b")
    one, four = (decode(system("cent", f"stages={n}"), llama, 1, 2048) for n in (32, 8))
    assert 2 < one.latency_s / four.latency_s < 4
    several = step(system("cent"), llama, np.array([512, 2048, 2048]))
    assert several.parts_s["ffn"] == pytest.approx(3 * one.parts_s["ffn"])
    # The host serves four blocks of a device in turn, whatever their channels.
    assert 3 < one.parts_s["vectors"] / four.parts_s["vectors"] < 4
    assert several.parts_s["attention"] < 3 * one.parts_s["attention"]


def test_blocks_of_cent_are_gated():
    with pytest.raises(ConfigError, match="gated"):
        decode(system("cent"), model("gpt2-xl"), 1, 512)


def test_values_written_element_by_element_open_as_many_rows():
    gpt = model("gpt2-xl")
    by_token, by_element = (
        decode(system("pim-gpt", f"pim.write.values={layout}"), gpt, 1, 512).parts_s["cache write"]
        for layout in ("token-major", "channel-major")
    )
    # 25 heads on 8 channels: four a channel, one row for the key, one or 64 for the value.
    # Six rows of a channel are on their way at once.
    assert by_element == pytest.approx(48 * 4 * 65 * 36e-9 / 6)
    assert by_element == pytest.approx(by_token * 65 / 2)


def test_pooled_memories_hold_what_both_have():
    gpt = model("gpt3-175b")
    pooled = capacity_batch(system("dgx-attacc", "homes.cache=pooled"), gpt, 2176)
    assert pooled == (1280 * 2**30 - gpt.stored_bytes) // (gpt.token_bytes * 2176) == 99


def test_a_tile_is_a_row_in_every_bank():
    tiles = system("neupims").pim.tiles
    one, two, long = tile_seconds(tiles, np.array([32, 64, 1024]), 4, 128) * tiles.refresh
    key = tiles.open_s + 33 * tiles.column_s + tiles.close_s
    assert one == pytest.approx(key + 16 * (key - 30 * tiles.column_s) + 5 * tiles.vector_s)
    assert two - one == pytest.approx(key + 16 * 2 * tiles.column_s)
    assert long == pytest.approx(32 * key + 32 * key + 9 * tiles.vector_s)


def test_waves_leave_cores_idle():
    assert wave_share(108, 108) == wave_share(216, 108) == 1
    assert wave_share(109, 108) == pytest.approx(109 / 216)
    assert wave_share(12, 108) == pytest.approx(1 / 9)
    assert 0.5 < product_share(1, 4608, 12288, 108, 192 * 1024, 2) <= 1


def test_an_all_reduce_of_hops_is_never_faster_than_its_links():
    xpu = system("dgx-a100-hbm3").xpu
    for size in (0.0, 1e3, 1e6, 1e9):
        found = all_reduce_s(xpu, 8, size)
        assert found >= 7 * max(xpu.hop_latency_s, size / 8 / xpu.link_bytes_per_s)
    assert all_reduce_s(xpu, 1, 1e9) == 0


def test_kernel_times_hold_the_baseline_up_more_than_they_help_it():
    gpt = model("gpt3-175b")
    with_kernels = decode(system("dgx-a100-hbm3"), gpt, 32, 2112).latency_s
    without = decode(system("dgx-a100-hbm3", "xpu.cores=1", "xpu.hop_latency=0 s"), gpt, 32, 2112)
    assert with_kernels > without.latency_s


def test_a_request_joins_for_each_that_ends():
    duplex, mixtral = system("duplex-plain"), model("mixtral-8x7b")
    for batch, new in ((4, 16), (16, 4), (10, 4)):
        steps, counts = mixed_steps(duplex, mixtral, Job(64, new, continuous=True), batch)
        assert counts.sum() == new
        assert all(one.requests == batch for one in steps)
        assert max(one.latency_s for one in steps) >= min(one.latency_s for one in steps)


def test_prompts_in_a_step_take_time_and_no_bandwidth_from_decoding():
    duplex, mixtral = system("duplex-plain"), model("mixtral-8x7b")
    lengths = np.full(32, 512)
    plain, mixed = step(duplex, mixtral, lengths), step(duplex, mixtral, lengths, (512,))
    assert mixed.latency_s > plain.latency_s
    assert mixed.parts_s["attention"] == plain.parts_s["attention"]
    assert mixed.parts_s["prompt attention"] > 0
    assert mixed.where["experts"] == "xpu"


def test_whole_experts_wait_for_the_fullest_device():
    mixtral = model("mixtral-8x7b")
    whole = step(system("duplex-plain"), mixtral, np.full(32, 512))
    split = step(system("duplex-plain", "homes.expert_split=tensor"), mixtral, np.full(32, 512))
    assert whole.parts_s["experts"] > split.parts_s["experts"]


@given(new=st.integers(1, 5000))
def test_computed_steps_stand_for_all(new):
    at, counts = middles(new)
    assert counts.sum() == new
    assert len(at) == min(new, 64)
    assert at[0] >= 1
    assert at[-1] <= new
    assert (np.diff(at) > 0).all()


def test_a_block_of_cent_over_devices_pays_links_and_gains_channels():
    llama = model("llama2-7b")
    alone, shared = (decode(system("cent", f"stages={n}"), llama, 1, 1024) for n in (8, 2))
    assert shared.parts_s["ffn"] < alone.parts_s["ffn"] / 3
    assert alone.parts_s["attention"] / 2 < shared.parts_s["attention"] < alone.parts_s["attention"]
    assert shared.parts_s["vectors"] == alone.parts_s["vectors"]
    assert shared.parts_s["collectives"] > alone.parts_s["collectives"]
    with pytest.raises(ConfigError, match="divide"):
        decode(system("cent", "stages=3"), llama, 1, 1024)


def test_the_controller_of_cent_takes_what_its_source_counts():
    # 13.75 L + 4814 cycles of 0.5 ns at 64 heads, hidden 8192, eight heads a group, 32 channels.
    found = controller_s(model("llama2-70b"), 2112, 32)
    assert found == pytest.approx((13.75 * 2112 + 4814) / 2e9, rel=1e-6)


def test_an_asic_ten_times_slower_slows_only_its_own_part():
    gpt = model("gpt2-xl")
    fast = decode(system("pim-gpt"), gpt, 1, 512)
    slow = decode(system("pim-gpt", "asic.clock=100 MHz"), gpt, 1, 512)
    grown = slow.parts_s["elementwise"] / fast.parts_s["elementwise"]
    assert grown == pytest.approx(10)
    assert slow.latency_s - fast.latency_s == pytest.approx(9 * fast.parts_s["elementwise"])


def test_rows_of_weights_are_consumed_whole_and_inputs_copied_to_each_channel():
    config = system("pim-gpt")
    for name in ("gpt2", "gpt2-xl", "gpt3-1.3b"):
        gpt = model(name)
        assert row_hits(config.asic, gpt) >= 0.98
        moved = moved_bytes(config.pim, gpt, 512)
        single = moved_bytes(config.pim.model_copy(update={"channels": 1}), gpt, 512)
        assert gpt.stored_bytes / moved > 110
        assert single < moved / 2


@pytest.mark.parametrize(
    ("name", "tokens", "counts", "cycles"),
    [
        ("llama2-7b", 2304, (27394, 458, 3648, 578, 503, 35584, 820), 164464),
        ("llama2-7b", 30976, (56066, 962, 19776, 2594, 4535, 379648, 4404), 791104),
    ],
)
def test_a_block_of_cent_issues_what_its_simulator_recorded(name, tokens, counts, cycles):
    # Recorded runs of aim_simulator on CENT's traces, a block on a device, read in
    # Linus-Wangjz/ALOI b55c79d, cent_simulation/output/GDDR6; no refreshes are among them.
    parts = block_instructions(model(name), tokens, 32, 1, 1).values()
    found = [
        sum(getattr(part, field) for part in parts)
        for field in ("columns", "rows", "vectors", "results", "modes", "bursts", "products")
    ]
    columns, rows, vectors, results, modes, bursts, products = counts
    # The two columns, two results and four modes of the norms' squares are left out.
    assert found[0] == columns - 2
    assert found[1] == pytest.approx(rows, rel=0.07)
    assert found[2] == vectors
    assert found[3] == results - 2
    assert found[4] == pytest.approx(modes, rel=0.01)
    assert found[5] == bursts
    assert found[6] == products
    ticks = sum(part.ticks(load_device("aim")) for part in parts)
    assert ticks == pytest.approx(cycles, rel=0.011)


def test_prompts_without_processors_go_token_by_token():
    llama, cent = model("llama2-7b"), system("cent")
    found = token_by_token_s(cent, llama, 512)
    lengths = range(1, 513, 7)
    mean = np.mean([decode(cent, llama, 1, length).latency_s for length in lengths])
    assert found == pytest.approx(512 * mean, rel=0.01)
    # 4.01 s in CENT's processed results (read), the mean of 128, 256, 384 and 512 tokens.
    assert found == pytest.approx(4.0136, rel=0.05)


def test_experts_looked_up_are_slower_than_balanced_ones_and_faster_than_one_side():
    mixtral = model("mixtral-8x7b")
    times = {
        policy: decode(system("duplex", f"homes.experts={policy}"), mixtral, batch, 512).parts_s
        for batch in (64,)
        for policy in ("both", "lookup", "faster", "pim", "xpu")
    }
    seconds = {policy: parts["experts"] for policy, parts in times.items()}
    assert seconds["both"] <= seconds["lookup"] <= seconds["faster"]
    assert seconds["faster"] == min(seconds["pim"], seconds["xpu"])
    with pytest.raises(ConfigError, match="no experts"):
        system("duplex", "homes.ffn=lookup")


def test_the_largest_batch_under_a_limit_is_found_past_waves():
    gpt, attacc = model("gpt3-175b"), system("dgx-attacc")
    slo_s = 0.030
    found = largest_batch(attacc, gpt, 2048, 128, slo_s)
    keeps = [decode(attacc, gpt, batch, 2176).latency_s <= slo_s for batch in range(1, 67)]
    assert found == 1 + max(number for number, kept in enumerate(keeps) if kept)
    # Somewhere below, waves over cores make a smaller batch slower.
    assert not all(keeps[:found])
