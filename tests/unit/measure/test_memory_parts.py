"""Memory by part: torch's peak reservation is broken down, and the remainder is reported as unattributed."""

from kvbench.measure.memory_parts import memory_parts

MIB = 2**20
ENGINE = {
    "pid": 1,
    "weights": 100 * MIB,
    "kv_pool": 50 * MIB,
    "allocated": 160 * MIB,
    "reserved": 170 * MIB,
    "peak_allocated": 190 * MIB,
    "peak_reserved": 260 * MIB,
    "inactive_split": 4 * MIB,
    "graph_pools": 20 * MIB,
    "graphs_measured": 35 * MIB,
}
RUNTIME = 300 * MIB


def _samples(*process_mib, phase="repeat-1/batch-0"):
    return [
        {"phase": phase, "t_ns": t, "process_bytes": mib * MIB, "host_rss_bytes": mib * MIB}
        for t, mib in enumerate(process_mib)
    ]


def test_the_parts_and_the_rest_are_the_process_at_its_peak() -> None:
    samples = [*_samples(520, phase="warm-up/batch-0"), *_samples(500, 590)]
    found = memory_parts(ENGINE, RUNTIME, samples, "cuda", 100 * MIB, warm_reserved=165 * MIB)
    assert found["process_bytes"] == 590 * MIB
    assert sum(found["parts"].values()) + found["unattributed_bytes"] == 590 * MIB


def _libraries(*warm_mib: int, reserved_mib: int | None = 165, runtime: int | None = RUNTIME, served_mib: int = 645):
    samples = [*_samples(*warm_mib, phase="warm-up"), *_samples(served_mib)]
    reserved = None if reserved_mib is None else reserved_mib * MIB
    found = memory_parts(ENGINE, runtime, samples, "cuda", 1, warm_reserved=reserved)
    return found["parts"]["libraries"], found["unattributed_bytes"]


def test_libraries_are_what_was_held_outside_torch_when_warm_beside_context_and_graphs() -> None:
    libraries = 520 - 165 - 300 - (35 - 20)
    assert _libraries(400, 520) == (libraries * MIB, (645 - 260 - 300 - 15 - libraries) * MIB)


def test_what_is_taken_outside_torch_after_the_warm_up_stays_unattributed() -> None:
    (libraries, rest), (same, more) = _libraries(520), _libraries(520, served_mib=845)
    assert (same, more) == (libraries, rest + 200 * MIB)


def test_libraries_are_never_less_than_nothing_and_unknown_where_a_side_of_them_is() -> None:
    assert _libraries(400)[0] == 0
    assert _libraries(520, reserved_mib=None)[0] is None
    assert _libraries()[0] is None
    assert _libraries(520, runtime=None)[0] is None


def test_slack_is_what_torch_reserved_at_most_and_did_not_use() -> None:
    parts = memory_parts(ENGINE, RUNTIME, _samples(600), "cuda", 100 * MIB)["parts"]
    assert parts["activations_peak"] == (190 - 100 - 50 - 20) * MIB
    assert parts["allocator_slack"] == (260 - 100 - 50 - 20 - 20) * MIB
    grown = memory_parts(ENGINE | {"peak_reserved": 900 * MIB}, RUNTIME, _samples(1240), "cuda", 100 * MIB)
    assert grown["parts"]["allocator_slack"] == parts["allocator_slack"] + 640 * MIB
    assert grown["unattributed_bytes"] == 1240 * MIB - sum(size for size in grown["parts"].values() if size)


def test_graphs_are_what_their_capture_took_beyond_their_pools() -> None:
    for measured, graphs in ((35, 35), (5, 20), (None, 20)):
        engine = ENGINE | {"graphs_measured": measured and measured * MIB}
        assert memory_parts(engine, RUNTIME, _samples(600), "cuda", 1)["parts"]["cuda_graphs"] == graphs * MIB


def test_samples_of_one_time_on_several_gpus_add_up() -> None:
    samples = [{**row, "t_ns": 7} for row in _samples(400, 450)]
    found = memory_parts(ENGINE, 2 * RUNTIME, samples, "cuda", 1)
    assert found["parts"]["runtime"] == 600 * MIB
    assert found["process_bytes"] == 850 * MIB


def test_loading_does_not_count_and_a_cpu_keeps_what_it_cannot_know_empty() -> None:
    engine = dict.fromkeys(ENGINE) | {"weights": 80 * MIB, "kv_pool": 50 * MIB}
    samples = [*_samples(900, phase="loaded"), *_samples(500)]
    found = memory_parts(engine, RUNTIME, samples, "cpu", 100 * MIB)
    assert (found["process_bytes"], found["weights_source"]) == (500 * MIB, "parameters")
    assert found["unattributed_bytes"] == (500 - 300 - 100 - 50) * MIB
    assert [name for name, part in found["parts"].items() if part is None] == [
        *("activations_peak", "cuda_graphs", "libraries", "allocator_slack")
    ]
