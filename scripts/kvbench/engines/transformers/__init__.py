"""The Transformers engines: padded batches over contiguous caches, and Transformers' own paged cache."""
