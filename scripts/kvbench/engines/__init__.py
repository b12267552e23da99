"""The engines: the only place that imports torch, transformers or vllm."""
