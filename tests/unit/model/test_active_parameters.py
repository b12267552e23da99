"""How many parameters one token is computed with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from kvbench.model.architecture import active_parameters

DENSE = {"embed.weight": 100, "layers.0.mlp.up.weight": 60, "layers.0.mlp.shared_experts.up.weight": 20}
EXPERTS = {"layers.0.mlp.experts.gate_up_proj": 640, "layers.0.mlp.experts.down_proj": 160}


def model(parameters: dict[str, int]) -> SimpleNamespace:
    tensors = {name: torch.empty(count, device="meta") for name, count in parameters.items()}
    return SimpleNamespace(parameters=tensors.values, named_parameters=tensors.items)


def test_all_of_a_dense_model_are_active() -> None:
    assert active_parameters(SimpleNamespace(), model(DENSE)) == 180


@pytest.mark.parametrize(
    ("names", "active"),
    [
        ({"num_local_experts": 8, "num_experts_per_tok": 2}, 380),
        ({"n_routed_experts": 8, "num_experts": None, "num_experts_per_tok": 1}, 280),
        ({"moe_num_experts": 8, "moe_top_k": 8}, 980),
        ({"num_local_experts": 8}, None),
        ({"num_experts_per_tok": 2}, None),
    ],
)
def test_experts_count_by_how_many_a_token_goes_to(names: dict[str, int | None], active: int | None) -> None:
    assert active_parameters(SimpleNamespace(**names), model(DENSE | EXPERTS)) == active
