"""docs/gallery/runs.yaml: every gallery has its command, and the one that its README names."""

import pandas as pd
import pytest
from builders.places import GALLERY, ROOT

from kvbench.errors import UserError
from kvbench.files import write_text
from kvbench.publication.runs import RUNS, read_runs

FOLDERS = sorted(path.name for path in GALLERY.iterdir() if path.is_dir())
SIZES = {"plan": (0.1, 1.0), "cpu": (1.0, 4.0), "cuda": (4.0, 10.0)}


@pytest.mark.parametrize("gallery", FOLDERS)
def test_a_gallerys_command_is_that_of_its_readme(runs, gallery):
    [row] = [row for row in (GALLERY / "README.md").read_text().splitlines() if row.startswith(f"| [{gallery}]")]
    assert row.split(" | ")[1] == f"`{runs[gallery].command}`"


def test_minutes_are_those_of_all_jobs_rounded_up(runs):
    seconds = pd.read_csv(GALLERY / "h200-two/durations.csv")["seconds"].sum()
    assert 60 * (runs["h200-two"].minutes - 1) < seconds <= 60 * runs["h200-two"].minutes
    assert runs["full"].minutes is None


def test_disk_is_the_environment_and_the_weights_that_are_stored(runs):
    assert runs["h200-shapes"].disk_gb(SIZES) == 10.0  # random weights are never on the disk
    assert runs["cpu-2-cores"].disk_gb(SIZES) == pytest.approx(4.538, abs=1e-3)
    assert runs["paper-traces"].disk_gb(SIZES) == 1.0


def test_what_most_can_run_comes_first(runs):
    order = [run.name for run in sorted(runs.values(), key=lambda run: run.order)]
    assert order.index("cpu-2-cores") < order.index("cpu-2-cores-paper") < order.index("h200")
    assert order.index("h200") < order.index("h200-two") < order.index("paper-traces")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{target: run, overlay: [config/paper.yaml]}", "overlay: unknown key"),
        ("{target: run, overlays: [config/gone.yaml]}", "config/gone.yaml: no such file"),
        ("{overlays: []}", "target is missing"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, entry, message):
    for name in ("config.yaml", "schemas", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_text(tmp_path / RUNS, f"mine: {entry}\n")
    with pytest.raises(UserError, match=f"{RUNS}: mine: {message}"):
        read_runs(tmp_path)
