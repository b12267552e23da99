"""The engines: one interface over Transformers and vLLM."""
