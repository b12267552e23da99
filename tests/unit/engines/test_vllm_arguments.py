"""vLLM's variants differ from `vllm` only in admission."""

import sys
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace

import pytest
from builders.engine_settings import engine_settings

from kvbench.engines.names import RESERVATION, shared_setting
from kvbench.engines.vllm import runner as vllm_engine
from kvbench.engines.vllm.arguments import engine_arguments, graph_sizes, own_arguments, prepare_process, step_of_vllm
from kvbench.engines.vllm.recording import VARIABLE
from kvbench.errors import UserError

SETTINGS = engine_settings(
    "vllm-reserved",
    model_path="m",
    random_weights=True,
    dtype="float16",
    device="cuda",
    max_length=64,
    budget_bytes=64 * 10 * 6,
    slot_bytes=10,
    block_size=16,
)
SIZES = [1, 2, 4, 8, 512]
TOKENS = 16384


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Return the list of arguments passed to a fake vLLM EngineArgs."""
    given: list[dict] = []

    class EngineArgs:
        def __init__(self, **arguments):
            given.append(arguments)

        def create_engine_config(self, context):
            return SimpleNamespace(
                scheduler_config=SimpleNamespace(max_num_batched_tokens=TOKENS),
                compilation_config=SimpleNamespace(cudagraph_capture_sizes=SIZES),
            )

    modules = {name: ModuleType(name) for name in ("vllm", "vllm.engine", "vllm.usage")}
    modules["vllm.engine.arg_utils"] = ModuleType("vllm.engine.arg_utils")
    modules["vllm.engine.arg_utils"].EngineArgs = EngineArgs
    modules["vllm.usage.usage_lib"] = ModuleType("vllm.usage.usage_lib")
    modules["vllm.usage.usage_lib"].UsageContext = SimpleNamespace(LLM_CLASS="llm")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return given


@pytest.mark.parametrize(
    ("engine", "limit", "sizes"),
    [
        ("vllm-reserved", 6, [1, 2, 4, 6, 8, 384]),
        ("vllm-contiguous", 6, [1, 2, 4, 6, 8, 384]),
        ("vllm-sequential", 1, [1, 2, 4, 8, 64]),
    ],
)
def test_fewer_requests_at_once_keep_the_step_of_vllm(
    asked: list[dict], engine: str, limit: int, sizes: list[int]
) -> None:
    settings = replace(SETTINGS, engine=engine)
    arguments = {"model": "m", "max_num_seqs": limit, "seed": 0}
    assert own_arguments(settings) == {"max_num_seqs": limit}
    assert step_of_vllm(settings, arguments) == {
        "max_num_batched_tokens": TOKENS,
        "compilation_config": {"cudagraph_capture_sizes": sizes},
    }
    assert asked == [{"model": "m", "seed": 0}]


@pytest.mark.parametrize(
    ("limit", "max_length", "sizes"),
    [
        (1, 64, [1, 2, 4, 8, 64]),  # one request of at most 64 tokens never needs a graph for 512
        (3, 100, [1, 2, 3, 4, 8, 300]),
        (6, 512, [1, 2, 4, 6, 8, 512]),
        (8, 64, [1, 2, 4, 8, 512]),
    ],
)
def test_no_graph_is_larger_than_the_requests_that_it_can_hold(limit: int, max_length: int, sizes: list[int]) -> None:
    assert graph_sizes([1, 2, 4, 8, 512], limit, max_length) == sizes


@pytest.mark.parametrize("changes", [{"engine": "vllm"}, {"engine": "vllm-eager"}, {"device": "cpu"}])
def test_others_are_left_as_they_are(asked: list[dict], changes: dict) -> None:
    assert step_of_vllm(replace(SETTINGS, **changes), {"model": "m"}) == {}
    assert asked == []


@pytest.mark.parametrize("engine", RESERVATION)
def test_reserving_what_a_request_needs_asks_vllm_for_what_vllm_itself_gets(asked: list[dict], engine: str) -> None:
    """So the ratio to `vllm` compares admission alone: also rows, graphs and tokens of a step are the same."""
    settings = replace(SETTINGS, engine=engine)
    assert own_arguments(settings) == step_of_vllm(settings, {"model": "m"}) == {}
    assert asked == []
    announced = vllm_engine.VllmEngine(settings).recording
    assert announced.reservation == engine.removeprefix("vllm-reserved-")


@pytest.mark.parametrize("engine", ["vllm-reserved", *RESERVATION])
def test_a_pool_without_room_for_max_length_is_refused_by_the_name_of_its_key(engine: str) -> None:
    with pytest.raises(UserError, match=r"kv_budget_mib: 0\.0 MiB does not hold one request of max_length"):
        own_arguments(replace(SETTINGS, engine=engine, budget_bytes=64 * 10 - 1))


@pytest.mark.parametrize("engine", RESERVATION)
def test_a_vllm_whose_scheduler_has_no_limit_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    @dataclass
    class EngineArgs:
        max_num_seqs: int = 256

    old = ModuleType("vllm.engine.arg_utils")
    old.EngineArgs = EngineArgs
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", old)
    with pytest.raises(UserError, match=rf"runs: {engine} sets .*max_num_active_seqs.* the installed vLLM lacks"):
        engine_arguments(replace(SETTINGS, engine=engine))
    assert engine_arguments(replace(SETTINGS, engine="vllm"))["block_size"] == 16


@pytest.mark.parametrize("error", [TypeError("max_num_seqs: int expected"), ValueError("max_num_seqs: too many")])
def test_an_option_that_breaks_vllms_configuration_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    stand_in = ModuleType("vllm")
    stand_in.LLM = None
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(vllm_engine, "prepare_process", lambda settings: None)

    def break_off(engine: vllm_engine.VllmEngine) -> None:
        raise error

    monkeypatch.setattr(vllm_engine.VllmEngine, "_arguments", break_off)
    asked = replace(SETTINGS, engine="vllm", device="cpu", options={"max_num_seqs": "many"})
    with pytest.raises(UserError, match=r'engines\.vllm: vLLM cannot be loaded with the options max_num_seqs: "many"'):
        vllm_engine.VllmEngine(asked).load()


@pytest.mark.parametrize("given", [None, "evil"])
def test_vllm_loads_no_plugins_and_takes_no_pickles(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    environment = {"VLLM_ALLOW_INSECURE_SERIALIZATION": "1", "PYTHONPATH": ""}
    environment |= {"VLLM_PLUGINS": given} if given else {}
    monkeypatch.setattr("kvbench.engines.vllm.arguments.os.environ", environment)
    prepare_process(SETTINGS)
    assert environment["VLLM_PLUGINS"] == ""
    assert "VLLM_ALLOW_INSECURE_SERIALIZATION" not in environment


def test_the_allocator_is_set_for_growing_caches_on_cuda_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvbench.engines.transformers.model import ALLOCATOR, let_segments_grow

    environment: dict[str, str] = {}
    monkeypatch.setattr("kvbench.engines.transformers.model.os.environ", environment)
    let_segments_grow(replace(SETTINGS, device="cpu"))
    assert environment == {}
    let_segments_grow(SETTINGS)
    assert environment == {ALLOCATOR[0]: "expandable_segments:True"}
    environment.clear()
    environment[ALLOCATOR[1]] = "max_split_size_mb:64"
    let_segments_grow(SETTINGS)
    assert environment == {ALLOCATOR[1]: "max_split_size_mb:64"}


@pytest.mark.engine
def test_one_block_a_request_differs_from_reserving_in_the_size_and_number_of_blocks() -> None:
    """So the ratio of the two compares nothing else."""
    reserved = engine_arguments(SETTINGS)
    contiguous = engine_arguments(replace(SETTINGS, engine="vllm-contiguous", block_size=64))
    changed = {key: (reserved[key], contiguous[key]) for key in reserved if reserved[key] != contiguous[key]}
    assert reserved.keys() == contiguous.keys()
    assert changed == {
        "block_size": (16, 64),
        "num_gpu_blocks_override": (6 * 4 + 1, 6 + 1),
        "kv_cache_memory_bytes": ((6 * 4 + 1) * 16 * 10, (6 + 1) * 64 * 10),
    }
    assert contiguous["max_num_seqs"] == 6


@pytest.mark.engine
def test_what_makes_an_engine_of_one_block_is_no_option() -> None:
    asked = replace(SETTINGS, engine="vllm-contiguous", block_size=64, options={"max_num_seqs": 4})
    with pytest.raises(UserError, match=r"engines\.vllm-contiguous\.max_num_seqs: this option defines the engine"):
        engine_arguments(asked)
    assert shared_setting("vllm-contiguous", "block_size") == "it follows block_size"


@pytest.mark.engine
def test_a_card_that_others_use_is_not_refused_by_vllm_itself() -> None:
    assert engine_arguments(SETTINGS)["gpu_memory_utilization"] < 0.05
    assert "gpu_memory_utilization" not in engine_arguments(replace(SETTINGS, device="cpu"))
