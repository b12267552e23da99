"""Changed overlays through Snakemake itself, as `make run` gives them to it: planned, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from builders.mutations import changed_bytes, changed_values, refusal_of
from builders.places import ROOT
from builders.tree import contents, copy_project, snakemake
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kvbench.config.overlays import read_layers
from kvbench.config.settings import validate
from kvbench.preflight.given_files import check_given_files
from kvbench.yaml_files import read_yaml

SOURCES = [ROOT / f"config/{name}.yaml" for name in ("quick", "serving", "plan", "paper")]
GIVEN = ["--configfile", "config.yaml", "own.yaml"]


@st.composite
def overlays(draw: st.DrawFn) -> bytes:
    """An overlay with changed values or changed bytes."""
    path = draw(st.sampled_from(SOURCES))
    if draw(st.booleans()):
        return yaml.safe_dump(draw(changed_values(read_yaml(path))), sort_keys=False).encode()
    return draw(changed_bytes(path.read_bytes()))


def accepted() -> None:
    """Read and validate the files of the working directory, as `rules/` does."""
    layers = read_layers("config.yaml", ["config.yaml", "own.yaml"], [])
    validate(layers.config, "schemas/config.schema.yaml", layers.origin)


@pytest.mark.parametrize("number", [3, pytest.param(30, marks=pytest.mark.long)])
def test_changed_overlays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Callable[[str, str, str], None], number: int
) -> None:
    """Snakemake plans what the validators accept and repeats their line, and writes nothing."""
    tree = copy_project(tmp_path / "tree")
    monkeypatch.chdir(tree)
    lines = []

    @settings(max_examples=number, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(overlays())
    def one(content: bytes) -> None:
        Path("own.yaml").write_bytes(content)
        before = contents(tree)
        if line := refusal_of(lambda: check_given_files(GIVEN)):
            lines.append(line)
            return
        line = refusal_of(accepted)
        done = snakemake(tree, "-n", *GIVEN)
        said = [text for text in done.stderr.splitlines() if text and not text.startswith("Using workflow specific")]
        assert (done.returncode, said) == (1, [line]) if line else done.returncode == 0, done.stderr
        assert contents(tree) == before
        lines.append(line)

    one()
    assert len(lines) >= number
    outcome(f"{number} overlays with changed values or bytes", "", "nothing; each is planned, or refused in one line")
