"""The hit rates of all pool sizes, computed in one pass, are what vLLM counts on the CPU at three of them.

vLLM loads only once per process, so each pool has a child: this file as a program, which holds conversations and
writes JSON (prompts, outputs, prompt tokens that vLLM found again).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.requests import request
from builders.tiny import BLOCK, MAX_LENGTH, VOCABULARY, generate, tiny_settings
from builders.vllm_children import run_program

from kvbench.replay.hit_rate import HitCurve, hit_curve
from kvbench.replay.hit_rate_blocks import blocks_of_tokens

POOLS = (5, 8, 12)
TURNS, LONGEST = 60, 12


@pytest.fixture(scope="module", params=POOLS)
def served(tiny, request, tmp_path_factory):
    """(Blocks of the pool, what was served with it)."""
    folder = tmp_path_factory.mktemp("vllm")
    run_program(__file__, str(tiny), str(request.param), str(folder / "found.json"), log=folder / "vllm.log")
    return request.param, json.loads((folder / "found.json").read_text())


def curve_of(prompts, outputs) -> HitCurve:
    texts = [np.array([*prompt, *output][:-1], np.int32) for prompt, output in zip(prompts, outputs, strict=True)]
    return hit_curve(blocks_of_tokens(texts, BLOCK), list(map(len, prompts)), list(map(len, outputs)))


def test_the_curve_is_what_the_live_vllm_counts(served):
    pool, (prompts, outputs, found) = served
    curve = curve_of(prompts, outputs)
    assert curve.repeated_blocks == 0
    assert curve.hit_tokens(pool) == sum(found)
    assert 0 < sum(found) < curve.prompt_tokens
    # it would not be equal for another pool, or if prompts did not find what was generated
    assert curve.hit_tokens(pool - 1) < sum(found) < curve.hit_tokens(pool + 1) <= curve.most_hit_tokens
    other = [[(token + 1) % VOCABULARY for token in output] for output in outputs]
    assert curve_of(prompts, other).hit_tokens(pool) < sum(found)


def converse(model, blocks, answer):
    """The child: eight conversations after one system prompt, a turn at a time; each prompt is all that was said."""
    from kvbench.engines.vllm.runner import VllmEngine

    engine = VllmEngine(dataclasses.replace(tiny_settings(Path(model), "vllm", blocks), prefix_sharing=True))
    engine.load()
    rng = np.random.default_rng(5)
    system = rng.integers(5, VOCABULARY, 35).tolist()
    said, prompts, outputs, found = {}, [], [], []
    for turn in range(TURNS):
        who, output = int(rng.integers(0, 8)), int(rng.integers(1, LONGEST))
        prompt = [*said.get(who, system), *rng.integers(5, VOCABULARY, rng.integers(1, LONGEST)).tolist()]
        [completion] = generate(engine, [request(prompt, output, str(turn))]).completions
        said[who] = [*prompt, *completion.output_token_ids]
        if len(said[who]) > MAX_LENGTH - 2 * LONGEST:
            del said[who]
        prompts.append(prompt)
        outputs.append(list(completion.output_token_ids))
        found.append(completion.cached_tokens)
    Path(answer).write_text(json.dumps([prompts, outputs, found]))
    engine.close()


if __name__ == "__main__":
    converse(sys.argv[1], int(sys.argv[2]), sys.argv[3])
