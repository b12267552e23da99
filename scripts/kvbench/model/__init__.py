"""Models: the four sources, the record that describes one, the bytes of a KV slot."""
