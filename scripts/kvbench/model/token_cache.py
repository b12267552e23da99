"""What one token takes in Transformers' KV cache, read from a cache that the model itself has filled.

Configurations name KV heads in many ways (`num_key_value_heads`, `multi_query`, `num_kv_heads`, a nested
`attn_config`), and what a model stores may be none of them; the tensors cannot be misread.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

from kvbench.errors import UserError

log = logging.getLogger(__name__)
TAKE = "take a decoder with plain attention such as llama, gpt2, opt or qwen2"


@dataclass(frozen=True)
class TokenCache:
    """K and V of one token: `kv_heads` heads of `head_dim` elements each, in every one of `layers` layers."""

    layers: int
    kv_heads: int
    head_dim: int


def read_token_cache(config: Any, model: Any, where: str) -> TokenCache:
    """Let a model store one token and look at its cache.

    Args:
        config: its Transformers configuration.
        model: built from it on the meta device, so that nothing is computed.

    Raises:
        UserError: it keeps no cache that grows by K and V of one size in every layer for every token.
    """
    cache = _filled(config, model, where)
    kinds = {type(layer).__name__ for layer in cache.layers}
    if kinds != {"DynamicLayer"}:
        named = ", ".join(sorted(kinds))
        raise UserError(f"{where}: some layers do not keep every token (Transformers gives them {named}); {TAKE}")
    shapes = {tuple(tensor.shape) for layer in cache.layers if layer.is_initialized for tensor in _tensors(layer)}
    filled = sum(layer.is_initialized for layer in cache.layers)
    if filled not in (1, len(cache.layers)) or len(shapes) != 1:
        sizes = ", ".join(map(str, sorted(shapes))) or "none"
        raise UserError(f"{where}: K and V of its layers are not of one size ({sizes}); {TAKE}")
    [(_, kv_heads, _, head_dim)] = shapes
    return TokenCache(len(cache.layers), kv_heads, head_dim)


def _tensors(layer: Any) -> tuple[Any, Any]:
    return layer.keys, layer.values


def _filled(config: Any, model: Any, where: str) -> Any:
    """A cache with one token in it: on the meta device, or where the model looks at values, of one real layer."""
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
    except Exception as error:  # what a model raises is its own affair
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot show what it caches of a token ({reason}); {TAKE}") from error


def _run(config: Any, model: Any, device: str, where: str) -> Any:
    """The cache after a forward pass over one token; a layer that was not run stays empty in it."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=config)
    with torch.no_grad():
        output = model(torch.zeros((1, 1), dtype=torch.long, device=device), past_key_values=cache, use_cache=True)
    if getattr(output, "past_key_values", None) is not cache or not any(layer.is_initialized for layer in cache.layers):
        raise UserError(f"{where}: not a decoder that fills a KV cache ({config.model_type}); {TAKE}")
    return cache


def _one_layer(config: Any) -> Any:
    """The model cut to its first layer, with weights of no particular value, which the cache's shape does not show."""
    import torch
    from transformers import AutoModelForCausalLM

    short = copy.deepcopy(config)
    short.num_hidden_layers = 1
    return AutoModelForCausalLM.from_config(short, dtype=torch.float32, trust_remote_code=False).eval()
