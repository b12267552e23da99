"""The gallery holds figures, tables and settings, but no local paths."""

import json

import pytest

import gallery
from kvbench.errors import UserError
from kvbench.figures.saving import save
from kvbench.figures.style import said
from kvbench.report.gallery import make_gallery


def finished(root):
    (root / "figures/m/w").mkdir(parents=True)
    (root / "tables").mkdir()
    for name in ("figures/m/w/memory.png", "figures/m/w/memory.svg", "tables/memory.csv", "report.html"):
        (root / name).write_text(name)
    (root / "config.yaml").write_text("seed: 0\n")
    environment = {
        "python": {"version": "3.11", "isolation": "venv", "executable": "/home/me/python"},
        "packages": {"torch": {"version": "2.13.0", "file": "/home/me/torch"}, "vllm": None},
        "device": "cpu",
        "cpu": {},
        "gpus": [{"name": "A GPU", "uuid": "GPU-0-1"}],
    }
    (root / "environment.json").write_text(json.dumps(environment))
    return root


def test_what_is_copied(tmp_path):
    target = tmp_path / "gallery"
    (target / "old").mkdir(parents=True)
    files = make_gallery(finished(tmp_path / "results"), tmp_path / "logs", target)
    names = [str(path.relative_to(target)) for path in files]
    assert names == ["config.yaml", "durations.csv", "environment.json", "m/w/memory.png", "tables/memory.csv"]
    assert not (target / "old").exists()


def test_a_figure_without_data_is_left_out(tmp_path):
    results = finished(tmp_path / "results")
    save(said("No run."), [results / "figures/m/w/upkeep.png"], 80)
    files = make_gallery(results, tmp_path / "logs", tmp_path / "gallery")
    assert [path.name for path in files if path.suffix == ".png"] == ["memory.png"]


def test_no_path_of_the_machine_and_no_serial_number(tmp_path):
    make_gallery(finished(tmp_path / "results"), tmp_path / "logs", tmp_path / "gallery")
    text = (tmp_path / "gallery/environment.json").read_text()
    assert "/home/me" not in text
    assert json.loads(text)["gpus"] == [{"name": "A GPU"}]
    assert json.loads(text)["packages"] == {"torch": "2.13.0", "vllm": None}


def test_an_unfinished_run_is_refused(tmp_path):
    results = finished(tmp_path / "results")
    (results / "report.html").unlink()
    with pytest.raises(UserError, match="not finished"):
        make_gallery(results, tmp_path / "logs", tmp_path / "gallery")
    assert not (tmp_path / "gallery").exists()


def test_durations_are_those_of_the_jobs(tmp_path):
    for name, seconds in (("run_vllm/m/vllm/w/base", 12.5), ("make_report", 0.5)):
        path = tmp_path / "logs" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:12\tNA\n")
    (tmp_path / "logs/make_report.log").write_text("no benchmark")
    make_gallery(finished(tmp_path / "results"), tmp_path / "logs", tmp_path / "gallery")
    lines = (tmp_path / "gallery/durations.csv").read_text().splitlines()
    assert lines == ["job,seconds", "make_report,0.5", "run_vllm/m/vllm/w/base,12.5"]


def test_a_run_in_another_folder_is_copied_to_the_project(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gallery, "ROOT", tmp_path / "project")
    finished(tmp_path / "away/results")
    gallery.main("mine", str(tmp_path / "away"))
    assert capsys.readouterr().out == "5 files, 0.0 MiB in docs/gallery/mine\n"
    assert (tmp_path / "project/docs/gallery/mine/m/w/memory.png").is_file()
