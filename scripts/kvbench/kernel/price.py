"""What a block table costs the attention kernel: every form of every shape, checked and timed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from kvbench.errors import UserError
from kvbench.kernel.flash_attention import Kernel, call_of, kernel_of
from kvbench.kernel.forms import SHUFFLED, Form, forms, row_tokens
from kvbench.kernel.reference import largest_error, reference, tolerance
from kvbench.kernel.shapes import Shape, names
from kvbench.kernel.tensors import Tensors
from kvbench.kernel.timing import Flush, interleaved

log = logging.getLogger(__name__)
# Share of the free memory that the tensors of a shape may take; the reference and the kernel need the rest.
MEMORY_SHARE = 0.85

Call = Callable[[], torch.Tensor]


class Price:
    """Measures shapes one after the other; `rows` and `record` have what was found so far.

    `settings` is `paging_price` of config.yaml.
    """

    def __init__(self, settings: Mapping[str, Any], seed: int, device: str = "cuda") -> None:
        self.device = device
        self.page_tokens, self.rounds, self.seed = settings["page_tokens"], settings["rounds"], seed
        self.dtype = getattr(torch, settings["dtype"])
        self.flush = Flush()
        self.kernels: dict[str, Kernel | str] = {}
        self.skipped: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []

    def record(self) -> dict[str, Any]:
        """What was measured on, and the shapes that could not be measured here, with the reason."""
        kernels = {name: asdict(kernel) for name, kernel in self.kernels.items() if isinstance(kernel, Kernel)}
        return {
            "gpu": torch.cuda.get_device_name(),
            "dtype": str(self.dtype).removeprefix("torch."),
            "tolerance": tolerance(self.dtype),
            "kernels": kernels,
            "flushed_bytes": self.flush.buffer.nbytes,
            "skipped": self.skipped,
        }

    def measure(self, shape: Shape) -> None:
        """Check and time all forms of a shape; UserError if an output is further from the reference than rounding."""
        name = shape.heads.name
        if name not in self.kernels:
            self.kernels[name] = kernel_of(shape.heads, self.dtype)
        kernel = self.kernels[name]
        reason = kernel if isinstance(kernel, str) else self._too_large(shape)
        if reason:
            log.warning("%s: %s", names(shape), reason)
            self.skipped.append({**names(shape), "reason": reason})
            return
        self.rows += self._rows(shape, kernel)
        torch.cuda.empty_cache()

    def _too_large(self, shape: Shape) -> str | None:
        row = row_tokens(self.page_tokens, shape.context)
        needed, free = Tensors.bytes(shape, row, self.dtype.itemsize, self.seed), torch.cuda.mem_get_info()[0]
        if needed <= MEMORY_SHARE * free:
            return None
        return f"its tensors take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of the GPU's memory are free"

    def _rows(self, shape: Shape, kernel: Kernel) -> list[dict[str, Any]]:
        row = row_tokens(self.page_tokens, shape.context)
        tensors = Tensors(shape, row, self.dtype, self.device, self.seed)
        chosen = forms(self.page_tokens, row, latent=shape.heads.latent, rows=kernel.takes_rows)
        calls = [call_of(kernel, tensors, form) for form in chosen]
        errors = _errors(tensors, chosen, calls)
        seconds = interleaved(calls, self.rounds, self.seed, self.flush)
        cost = {
            "moved_bytes": shape.moved_bytes(tensors.lengths, self.dtype.itemsize),
            "flops": shape.flops(tensors.lengths),
        }
        return [
            {**names(shape), **_form(form), **cost, "largest_error": error, "round": number, "seconds": float(one)}
            for column, (form, error) in enumerate(zip(chosen, errors, strict=True))
            for number, one in enumerate(seconds[:, column])
        ]


def _form(form: Form) -> dict[str, Any]:
    return {"form": form.name, "page_tokens": form.page_tokens, "order": form.order}


def _errors(tensors: Tensors, chosen: Sequence[Form], calls: Sequence[Call]) -> list[float]:
    """The largest error of each form's output; UserError if one is more than rounding."""
    in_order = reference(tensors, chosen[0])
    found = []
    for form, call in zip(chosen, calls, strict=True):
        tensors.out.fill_(float("nan"))  # what the call does not write is not a number
        call()
        expected = reference(tensors, form) if form.order == SHUFFLED else in_order
        found.append(_within(largest_error(tensors.out, expected), tensors, form))
    return found


def _within(error: float, tensors: Tensors, form: Form) -> float:
    allowed = tolerance(tensors.pool.dtype)
    if error > allowed:
        told = " ".join(map(str, {**names(tensors.shape), **_form(form)}.values()))
        raise UserError(
            f"measure_paging_price: {told}: an output is {error:.2g} from the float32 reference, and rounding explains "
            f"{allowed:.2g}; the installed kernel computes something else, so take this layout out of paging_price"
        )
    return error
