"""Shapes of models: by sizes, by groups of layers, from a prepared model; a mistake is named with its key."""

import pytest
from builders.models import architecture, model_record
from builders.places import SHAPES
from builders.plans import KNOWN

from kvbench.capacity.contexts import read_conditions
from kvbench.capacity.groups import groups_of
from kvbench.capacity.shapes import read_shapes, shape_of_plan, shape_of_record
from kvbench.errors import UserError
from kvbench.kv.groups import LayerGroup

SLIDING = {"kind": "sliding", "layers": 3, "kv_heads": 2, "head_dim": 8, "window": 64}


def decoder(layers, hidden, kv_width, feed_forward, vocabulary=32000):
    """Parameters of a Llama: two embeddings, projections, three feed-forward matrices, norms."""
    layer = 2 * hidden**2 + 2 * hidden * kv_width + 3 * hidden * feed_forward + 2 * hidden
    return 2 * vocabulary * hidden + layers * layer + hidden


def test_shapes_have_the_parameters_that_their_sizes_give():
    assert KNOWN["llama-2-7b"].parameters == decoder(32, 4096, 4096, 11008)
    assert KNOWN["llama-2-13b"].parameters == decoder(40, 5120, 5120, 13824)
    assert KNOWN["llama-2-70b"].parameters == decoder(80, 8192, 1024, 28672)
    gpt2 = 12 * (12 * 768**2 + 13 * 768) + 2 * 768 + (50257 + 1024) * 768
    assert KNOWN["gpt2"].parameters == gpt2


def test_shapes_come_by_sizes_and_from_a_prepared_model():
    sizes = {"layers": 2, "kv_heads": 3, "head_dim": 4, "parameters": 5}
    assert shape_of_plan({"shape": sizes}, {}, "x").parameters == 5
    record = model_record(architecture=architecture(**sizes, max_position_embeddings=64))
    found = shape_of_record(record)
    assert (found.layers, found.kv_heads, found.head_dim, found.parameters, found.max_context) == (2, 3, 4, 5, 64)


def test_a_prepared_model_keeps_its_groups():
    """Of several groups, of one with a window and of one whose layers cache no K and V by head."""
    hybrid = (LayerGroup("sliding", 1, 64, 32), LayerGroup("full", 1, 64))
    for groups in (hybrid, hybrid[:1], (LayerGroup("mla", 2, 48),)):
        found = shape_of_record(model_record(architecture=architecture(groups=groups)))
        assert (found.groups, found.kv_heads, found.keeps_all) == (groups, 0, groups[0].kind == "mla")


def test_groups_of_every_kind_have_the_elements_of_a_token():
    entries = [SLIDING, {"kind": "full", "layers": 1, "kv_heads": 2, "head_dim": 8}]
    assert groups_of(entries, "x") == (LayerGroup("sliding", 3, 32, 64), LayerGroup("full", 1, 32))
    assert groups_of([{"kind": "mla", "layers": 5, "latent": 512, "rope": 64}], "x") == (LayerGroup("mla", 5, 576),)
    shape = shape_of_plan({"shape": {"groups": entries, "parameters": 7}}, {}, "capacity.x")
    assert (shape.layers, shape.label) == (4, "A model of 3 sliding layers and 1 full layers")


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        ({}, r"x: {} is not a list of groups"),
        ([], r"x: \[\] is not a list of groups"),
        (["full"], r"x\[0\]\.kind: None is unknown; write one of full, sliding, mla"),
        ([{**SLIDING, "kind": "chunked"}], r"x\[0\]\.kind: 'chunked' is unknown"),
        (
            [{**SLIDING, "kind": "full"}],
            r"x\[0\]\.window: unknown key; a group of kind full has kind, layers, kv_heads",
        ),
        ([SLIDING, {"kind": "mla", "layers": 1, "latent": 8}], r"x\[1\]\.rope: missing; a group of kind mla has"),
        ([{**SLIDING, "layers": 0}], r"x\[0\]\.layers: 0 is not a valid size"),
        ([{**SLIDING, "window": 200}], r"x\[0\]\.window: 200 is more than the 128 tokens of max_context; lower it"),
        ([SLIDING, SLIDING], "x: two groups have the same kind and window; add up their layers"),
    ],
)
def test_a_mistake_in_groups_is_named(entries, line):
    with pytest.raises(UserError, match=line):
        groups_of(entries, "x", 128)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("shapes:", "shape:", "shapes: missing"),
        ("    layers: 12\n", "", "gpt2: layers is missing"),
        ("layers: 12", "layers: many", "gpt2.layers: 'many' is not a valid size"),
        ("layers: 12", "layers: 12\n    depth: 1", "gpt2: depth: unknown key"),
        ("    layers: 12\n", "    layers: 12\n    groups: []\n", "gpt2: head_dim: unknown key"),
        ("window: 1024}", "window: 1000000}", r"gemma-3-27b.groups\[0\].window: 1000000 is more than the 131072"),
        ("  block_size: 16\n", "", "figure: block_size is missing"),
        ("  dtype: float16", "  dtype: float16\n  colour: red", "figure: colour: unknown key"),
    ],
)
def test_a_mistake_in_the_shapes_is_named(tmp_path, old, new, line):
    path = tmp_path / "shapes.yaml"
    path.write_text(SHAPES.read_text().replace(old, new, 1))
    read = read_conditions if line.startswith("figure") else read_shapes
    with pytest.raises(UserError, match=line):
        read(path)
