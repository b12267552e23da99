"""The engines by name and what sets them apart; nothing heavy is imported here."""

from __future__ import annotations

ENGINES = (
    *("hf-sequential", "hf-batch", "hf-static", "hf-static-compiled", "hf-continuous"),
    *("vllm-sequential", "vllm-reserved", "vllm", "vllm-eager"),
)
# One request at a time: they run a workload's subset only.
SEQUENTIAL = ("hf-sequential", "vllm-sequential")
# Arms of a ratio with a sequential engine: they run that subset beside the whole workload.
BESIDE_SEQUENTIAL = ("hf-batch", "vllm-reserved", "vllm")
# Requests that begin alike can hold the same blocks.
SHARING = ("hf-continuous", "vllm-sequential", "vllm-reserved", "vllm", "vllm-eager")
# Decoding is compiled.
COMPILED = ("hf-static-compiled",)
# What the parity gate compares all engines with.
REFERENCE = "hf-batch"
# Engines that several GPUs can share: vLLM splits every layer, Transformers gives each GPU some of the layers.
SEVERAL_GPUS = (
    *("hf-sequential", "hf-batch", "hf-static"),
    *("vllm-sequential", "vllm-reserved", "vllm", "vllm-eager"),
)
# Whose run a benchmark of the instrument takes its requests and settings from, by kind.
BENCHMARKED = {"peer-vllm": "vllm", "peer-hf": "hf-batch", "recording": "vllm"}
# Why an engine is refused on a CPU.
CUDA_ONLY = {
    "hf-static-compiled": "compiled decoding is CUDA graphs; use hf-static",
    "vllm-eager": "vllm itself runs without graphs and compilation on a CPU; use vllm",
}


def is_static(engine: str) -> bool:
    """Whether the engine reserves the maximum length for every row of a contiguous cache."""
    return engine.startswith("hf-static")


def is_paged(engine: str) -> bool:
    """Whether the engine's cache is made of blocks."""
    return engine.startswith("vllm") or engine == "hf-continuous"
