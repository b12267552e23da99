"""The attention kernel's inputs, reference and timing, with a plain kernel in place of vLLM's and without a GPU."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from kvbench.errors import UserError
from kvbench.kernel import flash_attention, price, timing
from kvbench.kernel.flash_attention import Kernel, call_of
from kvbench.kernel.forms import PAGED, SHUFFLED, Form, forms
from kvbench.kernel.reference import largest_error, reference, scale, tolerance
from kvbench.kernel.shapes import DECODE, PREFILL, Heads, Shape
from kvbench.kernel.tensors import Tensors

MHA = Heads("mha", 4, 4, 32)
GQA = Heads("gqa", 4, 2, 32)
MLA = Heads("mla", 4, 1, 64, 16)
CALLS = [(GQA, DECODE), (GQA, PREFILL), (MHA, DECODE), (MHA, PREFILL), (MLA, DECODE)]
PAGES = [16, 32, 64]


def made(heads: Heads, phase: str) -> Tensors:
    return Tensors(Shape(phase, heads, context=100, batch=5), 128, torch.float32, "cpu", seed=0)


def all_forms(heads: Heads) -> list[Form]:
    return forms(PAGES, 128, latent=heads.latent, rows=True)


def plain_kernel(**given: Any) -> torch.Tensor:
    """What vLLM's function promises, one sequence at a time, by torch's attention."""
    q, k, v = given["q"], given["k"], given["v"]
    if "q_v" in given:  # the latent is the other part of each key and query
        q, k = torch.cat([given["q_v"], q], -1), torch.cat([v, k], -1)
    begins = given["cu_seqlens_q"].tolist()
    for number, (first, last) in enumerate(pairwise(begins)):
        keys, values = (_of_sequence(one, number, given) for one in (k, v))
        groups = q.shape[1] // keys.shape[1]
        n, asked = len(keys), last - first
        mask = torch.ones(asked, n).tril(n - asked).bool()
        parts = (q[first:last], *(one.repeat_interleave(groups, 1) for one in (keys, values)))
        found = scaled_dot_product_attention(
            *(part.transpose(0, 1) for part in parts), attn_mask=mask, scale=given["softmax_scale"]
        )
        given["out"][first:last] = found.transpose(0, 1)
    return given["out"]


def _of_sequence(cache: torch.Tensor, number: int, given: dict[str, Any]) -> torch.Tensor:
    if "cu_seqlens_k" in given:
        assert "seqused_k" not in given
        assert given.get("block_table") is None
        return cache[given["cu_seqlens_k"][number] : given["cu_seqlens_k"][number + 1]]
    n, table = given["seqused_k"][number], given["block_table"]
    assert n <= given["max_seqlen_k"]
    row = cache[number] if table is None else cache[table[number].long()].flatten(0, 1)
    return row[:n]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The plain kernel where vLLM's would be: its CPU build has none."""
    module = ModuleType("vllm.vllm_flash_attn")
    module.flash_attn_varlen_func = plain_kernel
    monkeypatch.setitem(sys.modules, "vllm", sys.modules.get("vllm", ModuleType("vllm")))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(flash_attention, "_schedule", lambda *given: {})
    return Kernel("FLASH_ATTN", 3)


@pytest.mark.parametrize(("heads", "phase"), CALLS)
def test_the_kernel_gets_what_the_reference_reads(kernel: Kernel, heads: Heads, phase: str) -> None:
    tensors = made(heads, phase)
    for form in all_forms(heads):
        tensors.out.fill_(float("nan"))
        call_of(kernel, tensors, form)()
        assert largest_error(tensors.out, reference(tensors, form)) < 1e-5, form


@pytest.mark.parametrize("form", [Form(PAGED, 16, SHUFFLED), Form(PAGED, 64, SHUFFLED)])
def test_a_wrong_block_table_is_found(kernel: Kernel, form: Form) -> None:
    tensors = made(GQA, DECODE)
    call_of(kernel, tensors, Form(PAGED, form.page_tokens, "in order"))()
    assert largest_error(tensors.out, reference(tensors, form)) > 1e-2


def test_forms_in_order_hold_the_same_tokens_and_shuffled_ones_others() -> None:
    tensors = made(GQA, DECODE)
    found = [(form, reference(tensors, form)) for form in all_forms(GQA)]
    for form, out in found:
        assert torch.equal(out, found[0][1]) == (form.order != SHUFFLED), form


def test_paged_forms_share_the_pool_and_its_pages_once() -> None:
    tensors = made(GQA, DECODE)
    for form in all_forms(GQA):
        cache = tensors.cache(form)
        if form.is_paged:
            assert cache.keys.untyped_storage().data_ptr() == tensors.pool.untyped_storage().data_ptr()
            assert sorted(cache.table.flatten().tolist()) == list(range(5 * 128 // form.page_tokens))


def test_the_bytes_of_the_tensors_are_foreseen() -> None:
    for heads, phase in CALLS:
        tensors = made(heads, phase)
        held = [tensors.pool, tensors.queries, tensors.out, tensors.packed, *(() if heads.latent else tensors.apart)]
        assert Tensors.bytes(tensors.shape, 128, 4, 0) == sum(one.nbytes for one in held)


def test_an_output_that_was_not_written_is_an_error() -> None:
    tensors = made(GQA, DECODE)
    expected = reference(tensors, Form(PAGED, 16, SHUFFLED))
    tensors.out.copy_(expected)
    tensors.out[2] = float("nan")
    assert largest_error(tensors.out, expected) == float("inf")


def test_the_tolerance_follows_the_precision_of_the_type() -> None:
    assert tolerance(torch.float16) == pytest.approx(1e-3)
    assert tolerance(torch.bfloat16) == pytest.approx(8e-3)
    assert scale(made(MLA, DECODE)) == pytest.approx((64 + 16) ** -0.5)


SETTINGS = {"page_tokens": PAGES, "rounds": 2, "dtype": "float16"}


@pytest.fixture
def measured(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> price.Price:
    """A measurement on the CPU, in which the first form takes 1 s, the second 2 s and so on."""
    monkeypatch.setattr(price, "Flush", lambda: None)
    monkeypatch.setattr(price, "kernel_of", lambda heads, dtype: "no kernel" if heads.latent else kernel)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 30, 1 << 31))
    monkeypatch.setattr(
        price, "interleaved", lambda calls, rounds, *rest: np.tile(1.0 + np.arange(len(calls)), (rounds, 1))
    )
    return price.Price(SETTINGS, 0, "cpu")


def test_a_row_for_each_form_and_round(measured: price.Price) -> None:
    measured.measure(Shape(DECODE, GQA, 100, 5))
    chosen = all_forms(GQA)
    assert len(measured.rows) == 2 * len(chosen)
    first, last = measured.rows[0], measured.rows[-1]
    assert (first["form"], first["page_tokens"], first["seconds"], first["round"]) == ("contiguous", None, 1.0, 0)
    assert (last["page_tokens"], last["order"], last["seconds"], last["round"]) == (64, SHUFFLED, len(chosen), 1)
    assert 0 < max(row["largest_error"] for row in measured.rows) < 1e-3


def test_what_cannot_be_measured_has_a_reason(measured: price.Price, monkeypatch: pytest.MonkeyPatch) -> None:
    measured.measure(Shape(DECODE, MLA, 100, 5))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 16, 1 << 31))
    measured.measure(Shape(DECODE, GQA, 100, 5))
    assert measured.rows == []
    assert [one["reason"] for one in measured.skipped] == [
        "no kernel",
        "its tensors take 0.0 GiB, and 0.0 GiB of the GPU's memory are free",
    ]


def test_a_kernel_that_is_wrong_is_refused(measured: price.Price, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price, "largest_error", lambda out, expected: 0.02)
    with pytest.raises(UserError) as refused:
        measured.measure(Shape(DECODE, GQA, 100, 5))
    assert str(refused.value) == (
        "measure_paging_price: decode gqa 4 2 32 100 5 contiguous None None: an output is 0.02 from the float32 "
        "reference, and rounding explains 0.001; the installed kernel computes something else, so take this layout out "
        "of paging_price"
    )


class Gpu:
    """Stands in for torch.cuda: the host is late until a flush is repeated four times."""

    def __init__(self) -> None:
        self.flushes, self.now = 0, 0.0
        self.started: list[int] = []

    def Event(self, enable_timing: bool) -> Gpu:
        event = Gpu()
        event.gpu = self
        return event

    def record(self) -> None:
        self.time, self.flushed = self.gpu.now, self.gpu.flushes
        self.gpu.flushes = 0

    def query(self) -> bool:
        return self.flushed < 4

    def elapsed_time(self, end: Gpu) -> float:
        return end.time - self.time

    def synchronize(self) -> None:
        pass


def flushing(gpu: Gpu) -> timing.Flush:
    flush = timing.Flush.__new__(timing.Flush)
    flush.times = 1
    flush.buffer = type("Buffer", (), {"zero_": lambda self: setattr(gpu, "flushes", gpu.flushes + 1)})()
    return flush


def test_a_host_that_is_always_late_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu()
    monkeypatch.setattr(timing.torch, "cuda", gpu)
    monkeypatch.setattr(Gpu, "query", lambda self: True)
    with pytest.raises(UserError, match=r"^measure_paging_price: the host launches .*; run again when nothing else"):
        timing.interleaved([lambda: None], 5, 0, flushing(gpu))


def test_rounds_take_all_calls_in_turn_and_wait_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, order = Gpu(), []
    monkeypatch.setattr(timing.torch, "cuda", gpu)

    def call(number: int) -> None:
        order.append(number)
        gpu.now += 10.0 * (number + 1)  # ms

    flush = flushing(gpu)
    found = timing.interleaved([lambda n=n: call(n) for n in range(3)], 5, 0, flush)
    np.testing.assert_allclose(found, np.tile([0.01, 0.02, 0.03], (5, 1)))
    assert flush.times == 4
    rounds = [tuple(order[i : i + 3]) for i in range(3 * timing.WARM_UP, len(order), 3)]
    assert len(rounds) == 5 + 2 * timing.EXCEPTIONS  # late with one flush, and with two
    assert all(sorted(one) == [0, 1, 2] for one in rounds)
    assert len(set(rounds)) > 1
