"""A file of token ids shares the common prefixes of its prompts; a file of lengths has nothing to share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.replay_reference import reference
from builders.scenarios import of_ids, replayed, scenario
from builders.workloads import workload

from kvbench.errors import UserError
from kvbench.replay import COLUMNS, Trace, replay
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import notes, outcomes, settings_of


def hits(own: dict, trace: Trace) -> int:
    return next(outcomes(own, trace)).found.totals.prefix_hit_tokens


def test_token_ids_of_a_file_that_begin_alike_are_shared(tmp_path: Path) -> None:
    """Regression test: two requests with the same first 512 token ids gave no hit."""
    prompts = [[*range(512), *range(1000 * n, 1000 * n + 40)] for n in (1, 2)]
    own = of_ids(tmp_path, prompts, pool_slots=4096, max_length=600, block_size=16, max_step_tokens=600)
    trace = trace_of(own, 0, "replays.x")
    assert hits(own, trace) == 512
    assert hits(own | {"prefix_sharing": False}, trace_of(own | {"prefix_sharing": False}, 0, "x")) == 0
    assert not list(notes(own, trace))


TREE = [[*range(8), *([8, 9, 10] * (n % 3)), 70_000 + n % 2, *range(100 + n)][: 20 + n] for n in range(12)]


@pytest.mark.parametrize("prefix", [0, 3, 8])
@pytest.mark.parametrize("requests", [None, 7])
def test_a_file_of_token_ids_is_the_trace_of_the_same_table(tmp_path: Path, prefix: int, requests: int | None) -> None:
    """Also after a shared prefix, and step by step against the reference, which compares the ids."""
    own = of_ids(tmp_path, TREE, shared_prefix_tokens=prefix, requests=requests, max_running=5, max_step_tokens=30)
    prompts = [[*range(200_000, 200_000 + prefix), *ids] for ids in TREE[:requests]]
    count = len(prompts)
    wanted, trace = Trace.from_table(workload(prompts, [4] * count), prefix_sharing=True), trace_of(own, 0, "replays.x")
    for name in ("prompt_tokens", "output_tokens", "arrival_ns", "text_order", "common_tokens"):
        np.testing.assert_array_equal(getattr(trace, name), getattr(wanted, name), err_msg=name)
    settings = settings_of(own, "paged")
    rows, times = reference(prompts, [4] * count, [0] * count, settings)
    found = replay(trace, settings, keep_steps=True)
    for number, name in enumerate(COLUMNS):
        np.testing.assert_array_equal(found.steps[name], [row[number] for row in rows], err_msg=name)
    np.testing.assert_array_equal(found.requests.finish_ns, times["finish_ns"])
    assert found.totals.prefix_hit_tokens > 0


def test_the_digest_knows_equal_lengths_of_other_text(tmp_path: Path) -> None:
    alike, apart = [[[5] * 8, [5] * 4 + [n] * 4] for n in (5, 6)]
    digests = []
    for prompts in (alike, apart, alike):
        own = of_ids(tmp_path, prompts)
        digests.append(replayed(own)["requests"]["digest"])
    assert digests[0] == digests[2] != digests[1]


def test_sharing_in_vain_is_told(tmp_path: Path) -> None:
    own = of_ids(tmp_path, [[1, 2, 3, n, 5, 6] for n in range(4)])
    [told] = notes(own, trace_of(own, 0, "replays.x"))
    assert told.startswith("prefix_sharing finds nothing: prompts have at most their first 3 tokens in common")


@pytest.mark.parametrize("prefix", [0, 15])
def test_sharing_of_lengths_alone_is_refused(tmp_path: Path, prefix: int) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("10,3\n20,4\n")
    own = scenario(workload=None, requests=None, file=str(file), prefix_sharing=True, shared_prefix_tokens=prefix)
    with pytest.raises(UserError, match=r"config\.yaml: replays\.x\.prefix_sharing: .*trace\.csv has only lengths"):
        trace_of(own, 0, "replays.x")
    own |= {"shared_prefix_tokens": 16, "policies": ["paged"], "max_running": 1}
    assert hits(own, trace_of(own, 0, "replays.x")) == 16
