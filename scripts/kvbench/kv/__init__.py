"""The KV cache: what each allocated slot holds."""
