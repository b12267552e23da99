"""Each capacity plan names a model or a shape and leaves memory for weights and KV cache."""

from __future__ import annotations

from kvbench.capacity.groups import groups_of
from kvbench.capacity.shapes import HEADS
from kvbench.config.checks.names import check_known
from kvbench.config.named_shapes import published
from kvbench.config.wording import Invalid
from kvbench.errors import UserError
from kvbench.kv.policies import takes_time


def check_capacity(plans: dict, models: dict) -> None:
    """Raise Invalid for a plan of an unknown model, with a rate but no step time, or without memory for weights."""
    _check_models(plans, models)
    for name, own in plans.items():
        at, card = f"capacity.{name}", own["card"]
        if ("model" in own) == ("shape" in own):
            raise Invalid(at, "needs either a model by name or a shape by sizes; write exactly one of model and shape")
        if "shape" in own:
            _check_shape(own["shape"], f"{at}.shape")
        if "requests_per_s" in own and not takes_time(own):
            remedy = "add step_time with its source, or leave out the rate to see only what fits"
            raise Invalid(f"{at}.requests_per_s", f"a rate needs step_time; {remedy}")
        if card["activation_reserve"] >= card["memory_fraction"]:
            problem = (
                f"{card['activation_reserve']} leaves nothing of memory_fraction {card['memory_fraction']}; lower it"
            )
            raise Invalid(f"{at}.card.activation_reserve", problem)
        if card["memory_gib"] * 1024 * (card["memory_fraction"] - card["activation_reserve"]) < 1:
            raise Invalid(f"{at}.card.memory_gib", "leaves less than 1 MiB for weights and KV cache; raise it")


def _check_shape(own: dict, at: str) -> None:
    """A shape has either the sizes of equal layers or groups of layers, each with the sizes of its kind."""
    given = [name for name in HEADS if name in own]
    if "groups" in own:
        if given:
            raise Invalid(f"{at}.{given[0]}", "groups say the same of each kind of layers; remove one of the two")
        try:
            groups_of(own["groups"], f"{at}.groups")
        except UserError as error:
            key, _, problem = str(error).partition(": ")
            raise Invalid(key, problem) from None
    elif len(given) < len(HEADS):
        missing = next(name for name in HEADS if name not in own)
        raise Invalid(f"{at}.{missing}", f"missing; write {', '.join(HEADS)}, or groups")


def _check_models(plans: dict, models: dict) -> None:
    """Each model that a plan names is one of the configuration or of config/shapes.yaml."""
    named = {f"capacity.{name}.model": own["model"] for name, own in plans.items() if "model" in own}
    if not set(named.values()) <= set(models):
        known = [*models, *published()]
        for at, model in named.items():
            check_known([model], known, "model", at)
