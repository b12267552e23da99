"""The KV cache: what every allocated slot holds."""
