"""The fair Transformers runner: padded batches over contiguous caches, and its own paged cache."""
