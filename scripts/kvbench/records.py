"""The columns of the pipeline's Parquet files, in one place for writers, readers and tests."""

from __future__ import annotations

import pyarrow as pa

WORKLOAD = pa.schema(
    [
        ("request_id", pa.string()),
        ("text", pa.string()),  # null if a request has only token ids
        ("prompt_token_ids", pa.list_(pa.int32())),
        ("output_tokens", pa.int32()),
        ("arrival_s", pa.float64()),
    ]
)

# What the time from due to the last token was spent on, in ns; the parts add up to it exactly.
TIME_PARTS = (
    "entering_ns",  # lateness of the client, and the step or batch that was under way
    "memory_wait_ns",  # refused at a step or batch for lack of slots, or behind a request that was
    "limit_wait_ns",  # refused for another limit: requests or tokens of a step, rows of a batch
    "prefill_ns",
    "decode_ns",
    "beside_prefill_ns",  # decoding in a step that also computes another request's prompt
    "preempted_ns",  # from a preemption until what had been computed is computed again
    "batch_wait_ns",  # complete, until its padded batch ends
)

# Times are seconds since the repeat began, on CLOCK_MONOTONIC. All requests are submitted then, unless the run has
# arrivals: only such a run has due_s and the columns after it, and its first_token_s and finish_s are the
# client's, as in vLLM's serving benchmark.
REQUESTS = pa.schema(
    [
        ("repeat", pa.int16()),
        ("request_id", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
        ("output_token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("start_s", pa.float64()),  # first scheduled (paged engines) or start of its batch (padded ones)
        ("first_token_s", pa.float64()),
        ("finish_s", pa.float64()),
        ("preemptions", pa.int32()),  # null if the engine does not report them
        ("cached_tokens", pa.int32()),
        ("due_s", pa.float64()),  # when the request was to be submitted
        ("submitted_s", pa.float64()),  # when the client had handed it over
        ("received_s", pa.float64()),  # when the engine took it into its queue; null where that cannot be seen
        ("token_s", pa.list_(pa.float64())),  # when the client had each output token; null where only the last is known
        *((name, pa.int64()) for name in TIME_PARTS),
    ]
)

PLAIN_SPLIT = ("live", "reserved", "internal", "padding", "finished")
SPLIT = (*PLAIN_SPLIT, "expired", "page_padding")  # the last two only where a model has several KV groups or a window

# Host time in ns: to allocate and free blocks since the last sample; for the workers' block tables of the step that the
# row schedules; to record the row. Null except in the untimed pass of vLLM, and null in the closing row there.
UPKEEP = ("allocate_ns", "tables_ns", "recording_ns")

# What each KV group holds, in slots; the parts of all groups add up to those of the row. `window`, null: none.
GROUP_SLOTS = pa.struct(
    [
        ("kind", pa.string()),  # full, sliding or mla
        ("window", pa.int32()),
        ("units", pa.int32()),  # slots of one token in the group's layers
        ("allocated", pa.int64()),
        *((name, pa.int64()) for name in SPLIT),
    ]
)

# A row per engine step, in slots: room for one token in every layer, or with several KV groups in one layer.
KV = pa.schema(
    [
        ("t_ns", pa.int64()),  # CLOCK_MONOTONIC
        ("repeat", pa.int16()),
        ("phase", pa.dictionary(pa.int8(), pa.string())),
        ("step", pa.int32()),
        ("running", pa.int32()),
        ("waiting", pa.int32()),
        ("scheduled_tokens", pa.int32()),
        ("preemptions", pa.int32()),  # cumulative in the repeat
        ("prefix_hit_tokens", pa.int32()),  # cumulative in the repeat
        ("pool", pa.int64()),
        ("unshared", pa.int64()),  # slots that would be allocated if no requests shared blocks
        ("allocated", pa.int64()),
        *((name, pa.int64()) for name in SPLIT),
        *((name, pa.int64()) for name in UPKEEP),
        ("groups", pa.list_(GROUP_SLOTS)),  # null for a model with one KV group, and in closing rows
    ]
)

# Null means unknown on this machine; 0 is a measured zero.
DEVICE = pa.schema(
    [
        ("t_ns", pa.int64()),  # CLOCK_MONOTONIC
        ("phase", pa.dictionary(pa.int8(), pa.string())),
        ("gpu", pa.int16()),  # NVML index; null for the host's row
        ("device_used_bytes", pa.int64()),
        ("device_total_bytes", pa.int64()),
        ("process_bytes", pa.int64()),  # NVML's figure for our processes on this GPU
        ("torch_allocated_bytes", pa.int64()),  # this process's allocator
        ("torch_reserved_bytes", pa.int64()),
        ("host_rss_bytes", pa.int64()),  # our process and its children
        ("power_w", pa.float64()),
        ("gpu_busy_percent", pa.float64()),  # NVML: share of its last period in which a kernel ran
        ("energy_j", pa.float64()),  # cumulative since the driver was loaded
    ]
)

# A row per request that holds blocks, at each step whose block ids were read.
BLOCKS = pa.schema(
    [
        ("repeat", pa.int16()),
        ("step", pa.int32()),
        ("request_id", pa.string()),
        ("computed_tokens", pa.int32()),
        ("block_ids", pa.list_(pa.int32())),
        ("group", pa.int16()),  # of the engine's block tables, from 0; with several, each request has a row for each
        ("prefix_hit_tokens", pa.int32()),  # found in the cache when the request was last admitted
        ("ended", pa.bool_()),  # complete, but its blocks are still held
    ]
)

# Gap between the reference's top two logits at each token, by which the parity gate recognises near ties.
MARGINS = pa.schema([("request_id", pa.string()), ("position", pa.int32()), ("top1_minus_top2", pa.float64())])

# Times of an attention kernel: a row per shape, form of the cache, and round.
PAGING_PRICE = pa.schema(
    [
        ("phase", pa.string()),  # decode or prefill
        ("layout", pa.string()),
        ("query_heads", pa.int32()),
        ("kv_heads", pa.int32()),
        ("value_dim", pa.int32()),
        ("context_tokens", pa.int32()),
        ("batch", pa.int32()),
        ("form", pa.string()),
        ("page_tokens", pa.int32()),  # null for contiguous forms, as is order
        ("order", pa.string()),
        ("moved_bytes", pa.int64()),  # cached tokens, queries and outputs, each once
        ("flops", pa.int64()),
        ("largest_error", pa.float64()),  # absolute, against the float32 reference
        ("round", pa.int32()),
        ("seconds", pa.float64()),
    ]
)

# Replays of a sweep: one row per point, and one per setting between the points.
REPLAYED = (
    *("model", "workload", "engine", "point", "block_size", "pool_slots", "steps", "block_steps", "live_slot_steps"),
    *("computed_tokens", "recomputed_tokens", "preemptions", "live_share_of_allocated", "preemptions_per_request"),
    "recomputed_share_of_computed",
)
