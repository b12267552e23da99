"""Check early that quantised weights can run here, by asking the library that would load them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvbench.errors import UserError


def require_runnable(config: Mapping[str, Any], where: str) -> None:
    """UserError if Transformers cannot run the `quantization_config` of a model's config.json on this machine.

    Also if it would silently dequantise the weights, because vLLM would then serve a different model.
    """
    own = config.get("quantization_config")
    if own is None:
        return
    try:
        dequantised = _would_dequantise(own)
    except Exception as error:  # each quantiser raises its own errors: a missing package, GPU or option
        reason = (str(error) or type(error).__name__).splitlines()[0]
    else:
        if not dequantised:
            return
        reason = "Transformers would dequantise the weights here"
    method = own.get("quant_method", "unknown method") if isinstance(own, Mapping) else own
    raise UserError(
        f"{where}: its config.json has quantization_config ({method}), which cannot run here ({reason}); use the "
        "model without quantisation, or add what is missing"
    )


def _would_dequantise(own: Mapping[str, Any]) -> bool:
    """Whether the quantiser would dequantise the weights; it raises an error if something that it needs is missing."""
    from transformers.quantizers.auto import AutoHfQuantizer

    quantizer = AutoHfQuantizer.from_config(dict(own), pre_quantized=True)
    quantizer.validate_environment(device_map=None)
    return bool(getattr(quantizer.quantization_config, "dequantize", False)) and not own.get("dequantize", False)
