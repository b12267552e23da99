"""The shape of a plan has either sizes or groups of layers; a mistake is named with its key."""

import pytest

from kvbench.config.checks.capacity import check_capacity
from kvbench.config.wording import Invalid

SIZES = {"layers": 2, "kv_heads": 2, "head_dim": 8}
SLIDING = {"kind": "sliding", "layers": 2, "kv_heads": 2, "head_dim": 8, "window": 64}
CARD = {"memory_gib": 80, "memory_fraction": 0.9, "activation_reserve": 0.05}


def check(shape: dict) -> None:
    check_capacity({"x": {"card": CARD, "shape": {"parameters": 5, **shape}}}, {})


@pytest.mark.parametrize("shape", [SIZES, {"groups": [SLIDING]}])
def test_sizes_or_groups(shape: dict):
    check(shape)


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ({"layers": 2, "head_dim": 8}, r"capacity\.x\.shape\.kv_heads: missing; write layers, kv_heads, head_dim, or"),
        ({"groups": [SLIDING], "layers": 2}, r"capacity\.x\.shape\.layers: groups say the same .*; remove one"),
        (
            {"groups": [{**SLIDING, "kind": "mla"}]},
            r"capacity\.x\.shape\.groups\[0\]\.latent: missing; a group of",
        ),
        ({"groups": [SLIDING, SLIDING]}, r"capacity\.x\.shape\.groups: two groups have the same kind and window"),
    ],
)
def test_a_mistake_is_named(shape: dict, line: str):
    with pytest.raises(Invalid, match=line):
        check(shape)
