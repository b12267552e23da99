"""Makes a workload from its options, with one function per kind, all with the same signature."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from kvbench.errors import UserError
from kvbench.model.record import ModelRecord
from kvbench.workload.check import Limit, check_table
from kvbench.workload.draws import permutation, stream
from kvbench.workload.fixed_prompts import GUIDE, PARITY
from kvbench.workload.lengths import draw_lengths
from kvbench.workload.options import workload_options
from kvbench.workload.order import representative_first
from kvbench.workload.prompts import make_prompts
from kvbench.workload.request_file import RequestFile
from kvbench.workload.selection import Selection
from kvbench.workload.table import lengths_of, workload_table
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary, load_vocabulary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """Inputs of a kind: its options, the workload's name and seed, the limit on lengths, the model's vocabulary."""

    options: Mapping[str, Any]
    name: str
    seed: int
    limit: Limit
    vocabulary: Vocabulary
    live: bool = False


def make_workload(
    settings: Mapping[str, Any], name: str, seed: int, max_length: int, model: ModelRecord, *, live: bool = False
) -> pa.Table:
    """The requests of `workloads.<name>` as a table of `records.WORKLOAD`.

    Synthetic and user workloads begin with requests that represent the whole (see `representative_first`). Guide,
    parity and user files with arrival times keep their own order; parallel sampling keeps a prompt's samples together.

    Args:
        settings: the workload's configuration: `kind` and the options of that kind.
        max_length: longest prompt + output in tokens; the model's own maximum applies too.
        live: whether engines will serve it; they refuse requests that arrive after the start.

    Raises:
        UserError: a bad option, a bad user file, a request that does not fit, a max_length above the model's maximum.
    """
    options = workload_options(settings, name)
    longest = model.architecture.max_position_embeddings
    if live and longest and max_length > longest and options["kind"] != "parity":
        problem = f"{max_length} is more than {model.name}'s maximum of {longest} tokens"
        raise UserError(f"config.yaml: max_length: {problem}; lower it, here or in the entry of runs")
    limit = Limit.of(max_length, longest)
    task = Task(options, name, seed, limit, load_vocabulary(model), live)
    table = check_table(KINDS[options["kind"]](task), name, limit, task.vocabulary.size)
    prompt, output = lengths_of(table)
    log.info("%s: %d requests, %d prompt and %d output tokens", name, len(table), prompt.sum(), output.sum())
    return table


def _guide(task: Task) -> pa.Table:
    """The guide's prompts, truncated as its `truncation=True` does."""
    return _fixed(task, GUIDE, "guide", f"config.yaml: workloads.{task.name}.output_tokens")


def _parity(task: Task) -> pa.Table:
    """The parity gate's prompts, truncated if a tokenizer or a model with few positions makes them too long."""
    return _fixed(task, PARITY[: task.options["prompts"]], "parity", "config.yaml: parity.output_tokens")


def _fixed(task: Task, texts: Sequence[str], kind: str, key: str) -> pa.Table:
    """Requests of these texts, each cut to leave room for the output; UserError names `key` if there is no room."""
    output = task.options["output_tokens"]
    room = task.limit.tokens - output
    if room < 1:
        raise UserError(f"{key}: {output} output tokens leave no room in {task.limit.reason}; lower it")
    tokenizer = task.vocabulary.require_tokenizer(task.name)
    whole, cut = tokenizer.encode(texts), tokenizer.encode(texts, limit=room)
    kept = [t if len(c) == len(w) else tokenizer.decode([c])[0] for t, c, w in zip(texts, cut, whole, strict=True)]
    return workload_table(_numbered(kind, len(cut)), kept, cut, [output] * len(cut))


def _synthetic(task: Task) -> pa.Table:
    """Requests with lengths from the kind's distributions; pairs beyond the limit are drawn again."""
    kind, n = task.options["kind"], task.options["requests"]
    prompt, output = draw_lengths(kind, n, task.seed, task.name, task.limit.tokens)
    return _of_lengths(task, prompt, output, kind)


def _of_lengths(task: Task, prompt: np.ndarray, output: np.ndarray, kind: str) -> pa.Table:
    order = representative_first(prompt + output)
    prompts, texts = make_prompts(prompt[order], task.vocabulary, task.seed, task.name)
    return workload_table(_numbered(kind, len(order)), texts, prompts, output[order])


def _shared_prefix(task: Task) -> pa.Table:
    """Requests with one common prefix, each followed by a different suffix."""
    options, n = task.options, task.options["requests"]
    prefix, output = options["prefix_tokens"], options["output_tokens"]
    _require_fit(task, prefix + options["suffix_tokens"], output)
    lengths = np.array([prefix] + [options["suffix_tokens"]] * n)
    (head, *tails), _ = make_prompts(lengths, task.vocabulary, task.seed, task.name)
    prompts = [np.concatenate([head, tail]) for tail in tails]
    return workload_table(_numbered("shared-prefix", n), _texts(task, prompts), prompts, [output] * n)


def _parallel_sampling(task: Task) -> pa.Table:
    """`samples` consecutive requests per prompt, as an engine treats `n` samples of one prompt."""
    options, samples = task.options, task.options["samples"]
    _require_fit(task, options["prompt_tokens"], options["output_tokens"])
    lengths = np.full(options["requests"], options["prompt_tokens"])
    prompts, texts = make_prompts(lengths, task.vocabulary, task.seed, task.name)
    ids = [f"{one}-{k}" for one in _numbered("sampling", len(prompts)) for k in range(samples)]
    output = [options["output_tokens"]] * len(ids)
    return workload_table(ids, np.repeat(texts, samples).tolist(), _repeat(prompts, samples), output)


def _user(task: Task) -> pa.Table:
    """A user's file or a seeded sample of it; without arrival times the first requests represent the whole."""
    selection = Selection(task.options["too_long"], task.options["bad_turns"])
    source = RequestFile.of(task.options)
    table = read_user_file(source, task.vocabulary, task.limit, task.seed, selection, task.live, partial(_sample, task))
    if table["arrival_s"].to_numpy().any():
        return table
    return table.take(representative_first(sum(lengths_of(table))))


def _sample(task: Task, found: int) -> np.ndarray:
    """The places of a seeded sample of `requests` of `found` requests, in order; all if they are not more."""
    wanted = task.options["requests"] or found
    if wanted >= found:
        return np.arange(found)
    return np.sort(permutation(stream(task.seed, task.name, "sample"), found)[:wanted])


KINDS: dict[str, Callable[[Task], pa.Table]] = {
    "guide": _guide,
    "mixed": _synthetic,
    "sharegpt": _synthetic,
    "alpaca": _synthetic,
    "shared-prefix": _shared_prefix,
    "parallel-sampling": _parallel_sampling,
    "parity": _parity,
    "user": _user,
}


def _require_fit(task: Task, prompt_tokens: int, output_tokens: int) -> None:
    if reason := task.limit.excess(prompt_tokens, output_tokens):
        raise UserError(f"config.yaml: workloads.{task.name}: {reason}; make them shorter or raise max_length")


def _texts(task: Task, prompts: list[np.ndarray]) -> list[str | None]:
    tokenizer = task.vocabulary.tokenizer
    return tokenizer.decode(prompts) if tokenizer else [None] * len(prompts)


def _repeat(prompts: list[np.ndarray], times: int) -> list[np.ndarray]:
    return [prompt for prompt in prompts for _ in range(times)]


def _numbered(kind: str, n: int) -> list[str]:
    width = max(2, len(str(n - 1)))
    return [f"{kind}-{i:0{width}d}" for i in range(n)]
