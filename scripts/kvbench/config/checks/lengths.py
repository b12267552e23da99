"""Maximum lengths leave room for an output and do not exceed the positions of the model."""

from __future__ import annotations

from kvbench.config.runs import Plan
from kvbench.config.wording import Invalid


def check_lengths(config: dict, plan: Plan) -> None:
    parity = config["parity"]
    if parity["output_tokens"] >= parity["max_length"]:
        raise Invalid("parity.output_tokens", f"must be below parity.max_length ({parity['max_length']}); lower it")
    for number, run, own in plan:
        longest = config["models"][run.model].get("shape", {}).get("max_position_embeddings")
        length = own.get("max_length", config["max_length"])
        if longest and length > longest:
            at = f"runs[{number}].max_length" if "max_length" in own else "max_length"
            raise Invalid(at, f"{length} is more than {run.model}'s max_position_embeddings ({longest}); lower it")
