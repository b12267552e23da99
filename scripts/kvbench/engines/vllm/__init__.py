"""vLLM in this process, with a scheduler that records what it decides."""
