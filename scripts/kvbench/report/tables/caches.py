"""Tables of caches: number types of the KV cache, and prefix hits with the reasons for what was not found."""

from __future__ import annotations

import pandas as pd

from kvbench.report.cells import interval, number, spans, text, text_column

WORDS = {
    "shorter_than_unit": "shorter than a unit",
    "beyond_last_unit": "beyond the last whole unit",
    "last_token": "last token, always computed",
    "not_computed_yet": "not computed yet",
    "not_kept": "not kept",
    "evicted": "evicted",
    "unexplained": "unexplained",
}


def kv_dtypes_view(table: pd.DataFrame) -> pd.DataFrame:
    """Number types of the KV cache, each beside auto."""
    return text(
        pd.DataFrame(
            {
                "engine": text_column(table["engine"]),
                "kv_dtype": text_column(table["kv_dtype"]),
                "n": table["n_repeats"],
                "a token (bytes)": table["token_bytes"],
                "pool (slots)": table["pool_slots"],
                "pool (tokens)": table["pool_tokens"],
                "preemptions": interval(table, "preemptions"),
                "steps waiting for blocks (%)": interval(table, "steps_waiting_for_blocks_share", 100),
                "output tokens/s": interval(table, "output_tokens_per_s"),
                "over auto": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "equal tokens (%)": table["equal_tokens_share"] * 100,
                "equal outputs (%)": table["equal_outputs_share"] * 100,
                "equal from the start (tokens)": table["median_common_prefix_tokens"],
                "what the pool did": text_column(table["larger_pool"]),
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def prefix_hits_view(table: pd.DataFrame) -> pd.DataFrame:
    """What was found of prompts, and the tokens and requests of each reason why the rest was not."""
    why = {f"{words} (tokens, requests)": _both(table, name) for name, words in WORDS.items()}
    return text(
        pd.DataFrame(
            {
                "engine": text_column(table["label"]),
                "prompts (tokens)": table["prompt_tokens"],
                "begin alike (tokens)": table["alike_tokens"],
                "found (tokens)": table["found_tokens"],
                "found (% of prompts)": table["found_share_of_prompts"] * 100,
                "a unit": text_column(table["unit_rule"]),
                **why,
                "engine's counters: found of (tokens)": _counters(table),
                "cache kept: found (% of prompts)": table["kept_cache_found_share_of_prompts"] * 100,
                "cache kept: output tokens/s": table["kept_cache_output_tokens_per_s"],
                "cache emptied: output tokens/s": table["emptied_cache_output_tokens_per_s"],
            }
        )
    )


def _both(table: pd.DataFrame, name: str) -> pd.Series:
    """`tokens in requests` of a reason; a column of nothing but zeros is left out."""
    tokens, requests = table[f"{name}_tokens"], table[f"{name}_requests"]
    if not (tokens.fillna(0) != 0).any():
        return pd.Series([None] * len(table), table.index, dtype=object)
    return _pairs(tokens, requests, " in ")


def _counters(table: pd.DataFrame) -> pd.Series:
    return _pairs(table["engine_found_tokens"], table["engine_looked_up_tokens"], " of ")


def _pairs(first: pd.Series, second: pd.Series, word: str) -> pd.Series:
    cells = [None if pd.isna(a) else f"{number(a)}{word}{number(b)}" for a, b in zip(first, second, strict=True)]
    return pd.Series(cells, first.index, dtype=object)
