"""Each capacity plan names a model or a shape and leaves memory for weights and KV cache."""

from __future__ import annotations

from kvbench.config.wording import Invalid
from kvbench.kv.policies import takes_time


def check_capacity(plans: dict) -> None:
    for name, own in plans.items():
        at, card = f"capacity.{name}", own["card"]
        if ("model" in own) == ("shape" in own):
            raise Invalid(at, "needs either a model by name or a shape by sizes; write exactly one of model and shape")
        if "requests_per_s" in own and not takes_time(own):
            remedy = "add step_time with its source, or leave out the rate to see only what fits"
            raise Invalid(f"{at}.requests_per_s", f"a rate needs step_time; {remedy}")
        if card["activation_reserve"] >= card["memory_fraction"]:
            problem = (
                f"{card['activation_reserve']} leaves nothing of memory_fraction {card['memory_fraction']}; lower it"
            )
            raise Invalid(f"{at}.card.activation_reserve", problem)
