"""A Transformers run whose batches do not fit writes files that say what fits, and the tables read them."""

from __future__ import annotations

import io

import pytest
from builders.models import model_record
from builders.orders import order_settings
from builders.tiny import BLOCK, MAX_LENGTH, SLOT_BYTES, make_tiny, tiny_requests
from builders.workloads import workload

from kvbench.adapter import Job
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import throughput
from kvbench.engines.transformers.by_name import make_engine
from kvbench.files import read_json, write_json, write_parquet
from kvbench.measure.largest_batch import search
from kvbench.measure.orders import Order
from kvbench.measure.run import run
from kvbench.measure.run_files import Paths
from kvbench.model.architecture import read_architecture
from kvbench.model.folder import file_digests

LENGTHS = [(20, 10), (5, 30), (61, 8), (33, 20), (90, 1), (2, 25), (40, 17)]
BUDGET_MIB = 16 * BLOCK * SLOT_BYTES / 2**20  # four rows of the maximum length


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """model.json, environment.json and a workload of the tiny model."""
    folder = tmp_path_factory.mktemp("inputs")
    model = make_tiny(folder / "tiny")
    known = {"architecture": read_architecture(model, "tiny"), "files": file_digests(model, None)}
    record = model_record(source="path", path=model, dtype="float32", **known)
    write_json(folder / "model.json", record.to_json())
    write_json(folder / "environment.json", {"device": "cpu"})
    requests = tiny_requests(LENGTHS)
    table = workload([r.prompt_token_ids for r in requests], [r.output_tokens for r in requests])
    write_parquet(folder / "workload.parquet", table)
    return folder


def run_with_room_for(room, inputs, folder, monkeypatch, engine):
    """Run an engine whose model runs out of memory unless `room(rows, slots per row)`; return the finished run."""
    import torch

    threads = torch.get_num_threads()  # this process has loaded torch, so no other number would be in force
    settings = order_settings(engine=engine, max_length=MAX_LENGTH, kv_budget_mib=BUDGET_MIB, cpu_threads=threads)
    made = make_engine

    def make_scarce(resolved):
        engine = made(resolved)
        load = engine.load

        def load_scarce():
            times = load()
            forward = engine.model.forward

            def limited(*args, **kwargs):
                if not room(len(kwargs["input_ids"]), kwargs["past_key_values"].get_seq_length()):
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return forward(*args, **kwargs)

            engine.model.forward = limited
            return times

        engine.load = load_scarce
        return engine

    monkeypatch.setattr("kvbench.measure.run.set_threads", lambda threads: None)
    order = Order(
        settings, *(inputs / f"{name}" for name in ("environment.json", "model.json", "workload.parquet")), {}
    )
    files = {name: folder / f"{name}.parquet" for name in Paths.__dataclass_fields__} | {"record": folder / "run.json"}
    run(order, make_scarce, Paths(**files), Job(io.StringIO(), "test"))
    return load_runs([folder])[0]


@pytest.mark.parametrize(("engine", "asked"), [("hf-batch", 5), ("hf-static", 4)])
def test_a_run_goes_on_with_what_fits(inputs, tmp_path, monkeypatch, engine, asked):
    found = run_with_room_for(lambda rows, _: rows <= 2, inputs, tmp_path, monkeypatch, engine)
    memory = found.record["out_of_memory"]
    assert (memory["largest_batch_rows"], memory["out_of_memory_rows"]) == (2, 3)
    assert memory["trials"][0] == {"rows": asked, "fits": False}
    assert max(batch["rows"] for batch in found.record["batches"]) == 2
    assert len(found.timed("all")) == 2
    assert set(found.workload_digests) == {repeat["scope"] for repeat in found.timed()}
    assert [phase["name"] for phase in found.record["phases"]].count("warm-up") == 1
    assert "fitting" in {phase["name"] for phase in found.record["phases"]}
    table = throughput.table([found], 0)
    assert set(table["largest_batch_rows"]) == {2}
    assert set(table["out_of_memory_rows"]) == {3}


@pytest.mark.parametrize("slots", [200, 300, 340])
def test_what_fits_is_tried_at_the_length_that_is_timed(inputs, tmp_path, monkeypatch, slots):
    """The warm-up generates few tokens, so its batches may fit where those of the repeats do not."""
    searches = []
    monkeypatch.setattr("kvbench.measure.serving.search", lambda *args: searches.append(search(*args)) or searches[-1])
    found = run_with_room_for(lambda rows, length: rows * length <= slots, inputs, tmp_path, monkeypatch, "hf-batch")
    memory = found.record["out_of_memory"]
    assert [limit.record() for limit in searches] == [memory]
    assert len(found.timed("all")) == 2
    assert max(batch["rows"] for batch in found.record["batches"]) == memory["largest_batch_rows"]


def test_a_run_in_which_nothing_fits_is_a_result_too(inputs, tmp_path, monkeypatch):
    found = run_with_room_for(lambda rows, _: False, inputs, tmp_path, monkeypatch, "hf-batch")
    assert found.record["out_of_memory"]["largest_batch_rows"] == 0
    assert found.record["repeats"] == []
    assert len(found.requests) == 0
    assert read_json(tmp_path / "run.json")["timing"]["warmup_s"] is None


def test_a_run_that_fits_says_nothing_of_memory(inputs, tmp_path, monkeypatch):
    found = run_with_room_for(lambda rows, _: True, inputs, tmp_path, monkeypatch, "hf-batch")
    assert found.record["out_of_memory"] is None
    assert throughput.table([found], 0)["out_of_memory_rows"].isna().all()
