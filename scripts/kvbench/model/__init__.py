"""Models: the four sources, the record of a model, the bytes of a KV slot."""
