"""The size of one token in Transformers' KV cache, read from a cache that the model itself has filled.

Configurations name KV heads in many ways (`num_key_value_heads`, `multi_query`, `num_kv_heads`, a nested
`attn_config`), and a model may store another number; the shapes of the tensors are unambiguous.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

from kvbench.errors import UserError

log = logging.getLogger(__name__)
TAKE = "use a decoder with full attention in every layer, such as llama, gpt2, opt or qwen2"


@dataclass(frozen=True)
class TokenCache:
    """K and V of one token: `kv_heads` heads of `head_dim` elements each, in every one of `layers` layers."""

    layers: int
    kv_heads: int
    head_dim: int


def read_token_cache(config: Any, model: Any, where: str) -> TokenCache:
    """Run a model on one token and read the shapes in its cache.

    Args:
        config: its Transformers configuration.
        model: built from it on the meta device, so that nothing is computed.

    Raises:
        UserError: the cache does not grow by K and V of the same size in every layer for every token.
    """
    cache = _filled(config, model, where)
    kinds = {type(layer).__name__ for layer in cache.layers}
    if kinds != {"DynamicLayer"}:
        named = ", ".join(sorted(kinds))
        raise UserError(f"{where}: some layers do not cache every token (Transformers uses {named}); {TAKE}")
    shapes = {tuple(tensor.shape) for layer in cache.layers if layer.is_initialized for tensor in _tensors(layer)}
    filled = sum(layer.is_initialized for layer in cache.layers)
    if filled not in (1, len(cache.layers)) or len(shapes) != 1:
        sizes = ", ".join(map(str, sorted(shapes))) or "none"
        raise UserError(f"{where}: K and V differ in size between layers ({sizes}); {TAKE}")
    [(_, kv_heads, _, head_dim)] = shapes
    return TokenCache(len(cache.layers), kv_heads, head_dim)


def _tensors(layer: Any) -> tuple[Any, Any]:
    return layer.keys, layer.values


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
