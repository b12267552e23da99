"""config/shapes.yaml holds what Transformers builds: each shape's parameters, layers and elements of a token."""

from __future__ import annotations

from typing import Any

import pytest
from builders.places import SHAPES
from builders.plans import KNOWN

from kvbench.config.named_shapes import sizes
from kvbench.kv.groups import LayerGroup
from kvbench.model.architecture import build_on_meta
from kvbench.model.shape import make_config
from kvbench.model.token_cache import KINDS, read_token_cache
from kvbench.yaml_files import read_yaml

transformers = pytest.importorskip("transformers")
SHORT = 6  # layers that have one of each kind in all of these models


def config_of(name: str, **changed: Any) -> Any:
    """The configuration of a shape; `layer_types` repeats to its number of layers."""
    fields = {**read_yaml(SHAPES)["shapes"][name]["config"], **changed}
    pattern, layers = fields.get("layer_types"), fields.get("num_hidden_layers")
    if pattern:
        fields["layer_types"] = (pattern * layers)[:layers]
    return transformers.CONFIG_MAPPING[fields.pop("model_type")](**fields)


def groups_in(name: str) -> tuple[LayerGroup, ...]:
    """Groups with the layers of the whole model; only its first layers run, which is enough for what each caches."""
    depth = "n_layer" if name == "gpt2" else "num_hidden_layers"
    short = config_of(name, **{depth: SHORT})
    found = read_token_cache(short, build_on_meta(short, name), name).groups
    layers = [(KINDS[type(one).__name__], getattr(one, "sliding_window", None)) for one in all_layers(name)]
    counts = [layers.count(("full" if group.kind == "mla" else group.kind, group.window)) for group in found]
    return tuple(
        LayerGroup(group.kind, count, group.elements, group.window) for group, count in zip(found, counts, strict=True)
    )


def all_layers(name: str) -> list[Any]:
    return transformers.DynamicCache(config=config_of(name)).layers


@pytest.mark.parametrize("name", KNOWN)
def test_a_shape_is_what_transformers_builds(name: str) -> None:
    model = build_on_meta(config_of(name), name)
    assert sum(parameter.numel() for parameter in model.parameters()) == KNOWN[name].parameters
    assert groups_in(name) == KNOWN[name].groups


@pytest.mark.parametrize("name", KNOWN)
def test_a_shape_that_a_run_names_is_built_with_the_same_fields(name: str) -> None:
    published = read_yaml(SHAPES)["shapes"][name]
    made, wanted = make_config(sizes(published), name), config_of(name).to_dict()
    assert {field: made.get(field) for field in published["config"]} == {f: wanted[f] for f in published["config"]}
    assert made.get("max_position_embeddings", made.get("n_positions")) == published["max_context"]
