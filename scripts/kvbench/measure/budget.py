"""The KV budget: bytes that every engine of a comparison may use for KV cache."""

from __future__ import annotations

from kvbench.errors import UserError

# Share of the device's memory kept free for activations, sampling buffers and allocator slack if the budget is `auto`.
ACTIVATION_RESERVE = 0.05


def kv_budget_bytes(
    wish_mib: float | str,
    memory_fraction: float,
    total_bytes: int,
    free_bytes: int,
    weight_bytes: int,
    row_bytes: int,
    key: str = "kv_budget_mib",
) -> int:
    """The KV budget in bytes, as `key` of config.yaml sets it.

    `auto` is `memory_fraction` of the device's memory minus the weights and a reserve for activations.

    UserError if the budget does not fit into free memory or does not hold one request of `max_length` (`row_bytes`).
    """
    if wish_mib == "auto":
        budget = int(total_bytes * (memory_fraction - ACTIVATION_RESERVE)) - weight_bytes
    else:
        budget = int(float(wish_mib) * 2**20)
    if budget < row_bytes:
        raise UserError(
            f"config.yaml: {key}: {budget / 2**20:.1f} MiB does not hold one request of max_length "
            f"({row_bytes / 2**20:.1f} MiB); raise it or lower max_length"
        )
    if budget + weight_bytes > free_bytes:
        raise UserError(
            f"config.yaml: {key}: {budget / 2**20:.0f} MiB plus {weight_bytes / 2**20:.0f} MiB of weights exceed "
            f"the {free_bytes / 2**20:.0f} MiB of free memory; lower the budget or free some memory"
        )
    return budget
