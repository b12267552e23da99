"""What Transformers caches for one token in each layer, read from a cache that the model itself has filled.

Configurations name KV heads in many ways (`num_key_value_heads`, `multi_query`, `num_kv_heads`, a nested
`attn_config`), and a model may store another number; the layers and tensors of the cache are unambiguous.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from kvbench.errors import UserError
from kvbench.kv.groups import FULL, MLA, SLIDING, LayerGroup

log = logging.getLogger(__name__)
TAKE = "use a decoder with full, sliding-window or latent (MLA) attention, such as llama, gemma3_text or deepseek_v3"
KINDS = {"DynamicLayer": FULL, "DynamicSlidingWindowLayer": SLIDING}


@dataclass(frozen=True)
class TokenCache:
    """The groups of a model's layers, and the heads and head size of the keys in its first layer."""

    groups: tuple[LayerGroup, ...]
    kv_heads: int
    head_dim: int

    @property
    def layers(self) -> int:
        """All layers that cache tokens."""
        return sum(group.layers for group in self.groups)


def read_token_cache(config: Any, model: Any, where: str) -> TokenCache:
    """Run a model on one token and read its cache.

    Args:
        config: its Transformers configuration.
        model: built from it on the meta device, so that nothing is computed.

    Raises:
        UserError: a layer does not cache K and V, or a latent vector, of each token in its window.
    """
    layers = _filled(config, model, where).layers
    _require_known(layers, where)
    _require_filled(layers, where)
    first = next(layer for layer in layers if layer.is_initialized)
    latent = hasattr(config, "kv_lora_rank")
    kinds = Counter(_group_of(layer, first, latent) for layer in layers)
    groups = tuple(LayerGroup(kind, count, elements, window) for (kind, elements, window), count in kinds.items())
    if len({(group.kind, group.window) for group in groups}) < len(groups):
        sizes = ", ".join(str(group.elements) for group in groups)
        raise UserError(f"{where}: layers of one kind cache tokens of different sizes ({sizes} elements); {TAKE}")
    return TokenCache(groups, first.keys.shape[1], first.keys.shape[3])


def _group_of(layer: Any, first: Any, latent: bool) -> tuple[str, int, int | None]:
    """Kind, elements of a token, and window of a layer; one that did not run caches what the first one does."""
    kind = KINDS[type(layer).__name__]
    filled = layer if layer.is_initialized else first
    window = int(layer.sliding_window) if kind == SLIDING else None
    return MLA if latent and kind == FULL else kind, filled.keys.numel() + filled.values.numel(), window


def _require_known(layers: Any, where: str) -> None:
    """UserError for layers that cache something else: a recurrent state, an index for sparse attention."""
    odd = sorted({type(layer).__name__ for layer in layers} - KINDS.keys())
    if odd:
        raise UserError(f"{where}: some layers cache a state or an index of their own ({', '.join(odd)}); {TAKE}")


def _require_filled(layers: Any, where: str) -> None:
    """UserError if some layers cached nothing; a model cut to its first layer fills one, which then stands for all."""
    filled = sum(layer.is_initialized for layer in layers)
    kinds = {type(layer).__name__ for layer in layers}
    if filled != len(layers) and (filled != 1 or len(kinds) > 1):
        raise UserError(f"{where}: only {filled} of {len(layers)} layers cache tokens; {TAKE}")


def _filled(config: Any, model: Any, where: str) -> Any:
    """A cache with one token, from the meta device, or from one real layer if the model reads tensor values."""
    try:
        return _run(config, model, "meta", where)
    except UserError:
        raise
    except Exception as error:
        log.info("%s: no forward pass on the meta device (%s); trying one layer on the CPU", where, error)
    try:
        return _run(config, _one_layer(config), "cpu", where)
    except UserError:
        raise
    except Exception as error:  # each model raises its own errors
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{where}: could not determine what Transformers caches per token ({reason}); {TAKE}"
        ) from error


def _run(config: Any, model: Any, device: str, where: str) -> Any:
    """The cache after a forward pass over one token; layers that did not run stay empty."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=config)
    _require_known(cache.layers, where)
    with torch.no_grad():
        output = model(torch.zeros((1, 1), dtype=torch.long, device=device), past_key_values=cache, use_cache=True)
    if getattr(output, "past_key_values", None) is not cache or not any(layer.is_initialized for layer in cache.layers):
        raise UserError(f"{where}: not a decoder that fills a KV cache ({config.model_type}); {TAKE}")
    return cache


def _one_layer(config: Any) -> Any:
    """The model cut to its first layer, with random weights, since the shape of the cache does not depend on them."""
    import torch
    from transformers import AutoModelForCausalLM

    short = copy.deepcopy(config)
    short.num_hidden_layers = 1
    return AutoModelForCausalLM.from_config(short, dtype=torch.float32, trust_remote_code=False).eval()
