"""Can quantised weights run here? The library that would load them is asked, before anything waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvbench.errors import UserError


def require_runnable(config: Mapping[str, Any], where: str) -> None:
    """UserError where Transformers cannot load the `quantization_config` of a model's config.json on this machine.

    Nor where it would quietly make ordinary weights of them: vLLM would serve another model then.
    """
    own = config.get("quantization_config")
    if own is None:
        return
    try:
        dequantised = _would_dequantise(own)
    except Exception as error:  # what a quantiser finds missing is its own affair: packages, a GPU, an option
        reason = (str(error) or type(error).__name__).splitlines()[0]
    else:
        if not dequantised:
            return
        reason = "Transformers would dequantise the weights here"
    method = own.get("quant_method", "unknown method") if isinstance(own, Mapping) else own
    raise UserError(
        f"{where}: its config.json has quantization_config ({method}), which cannot run here ({reason}); take the "
        "model without quantisation, or add what is missing"
    )


def _would_dequantise(own: Mapping[str, Any]) -> bool:
    """Ask the quantiser of these weights for what it needs; it raises what is missing."""
    from transformers.quantizers.auto import AutoHfQuantizer

    quantizer = AutoHfQuantizer.from_config(dict(own), pre_quantized=True)
    quantizer.validate_environment(device_map=None)
    return bool(getattr(quantizer.quantization_config, "dequantize", False)) and not own.get("dequantize", False)
