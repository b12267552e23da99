"""kvbench: measure what a KV cache holds, in Hugging Face Transformers and in vLLM."""

__version__ = "0.1.0"
