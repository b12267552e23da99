"""Digests change with the code that a rule runs, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kvbench.figures.registry import FIGURES, Entry

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
FILES = {
    "kvbench/__init__.py": "",
    "kvbench/used.py": "from kvbench.sub import deep\n",
    "kvbench/unused.py": "x = 1\n",
    "kvbench/lazy.py": "x = 1\n",
    "kvbench/named.py": "class Scheduler: ...\n",
    "kvbench/sub/__init__.py": "",
    "kvbench/sub/deep.py": "from . import sibling\nfrom ..other import thing\n",
    "kvbench/sub/sibling.py": "x = 1\n",
    "kvbench/other.py": "thing = 1\n",
    "rule.py": 'import kvbench.used\ndef f():\n    from kvbench.lazy import x\nCLASS = "kvbench.named.Scheduler"\n',
    "alone.py": "import json\n",
}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "scripts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scripts" / name).write_text(text)
    (tmp_path / "page.html").write_text("<p>")
    return tmp_path / "scripts"


@pytest.fixture
def digest(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    module = importlib.import_module("kvbench.config.digests")
    monkeypatch.setattr(module, "SCRIPTS", scripts)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    forget(module)
    yield module
    forget(module)


def forget(module: ModuleType) -> None:
    """As in a new process, which knows only what is kept on disk."""
    for known in (module._remembered, module._facts, module._imported):
        known.cache_clear()


def edited(digest: ModuleType, path: Path, text: str, script: str = "rule", *also: str) -> bool:
    """Append `text` to a file and return whether the script's digest changes."""
    before = digest.code_digest(script, *also)
    path.write_text(path.read_text() + text)
    forget(digest)
    return digest.code_digest(script, *also) != before


RUN = ["rule.py", "kvbench/__init__.py", "kvbench/used.py", "kvbench/lazy.py", "kvbench/named.py"]
RUN += ["kvbench/sub/__init__.py", "kvbench/sub/deep.py", "kvbench/sub/sibling.py", "kvbench/other.py"]


@pytest.mark.parametrize("name", RUN)
def test_every_file_that_a_script_runs_counts(digest: ModuleType, scripts: Path, name: str) -> None:
    assert edited(digest, scripts / name, "\ny = 2\n")


@pytest.mark.parametrize("name", ["kvbench/unused.py", "alone.py"])
def test_other_files_do_not(digest: ModuleType, scripts: Path, name: str) -> None:
    assert not edited(digest, scripts / name, "\ny = 2\n")


def test_comments_docstrings_and_layout_do_not_count(digest: ModuleType, scripts: Path) -> None:
    path = scripts / "kvbench/used.py"
    assert not edited(digest, path, "\n\n# why\n")
    path.write_text('"""What."""\n' + path.read_text())
    forget(digest)
    assert not edited(digest, path, "")
    assert edited(digest, path, 'def f():\n    return "text"\n')


def test_a_docstring_does_not_count_and_a_returned_text_does(digest: ModuleType, scripts: Path) -> None:
    path = scripts / "kvbench/used.py"
    path.write_text('def f():\n    """One."""\n    return 1\n')
    one = digest.code_digest("rule")
    path.write_text('def f():\n    """Another."""\n    return 1\n')
    forget(digest)
    assert digest.code_digest("rule") == one
    path.write_text("def f():\n    return 2\n")
    forget(digest)
    assert digest.code_digest("rule") != one


def test_templates_count(digest: ModuleType, scripts: Path) -> None:
    page = scripts.parent / "page.html"
    assert edited(digest, page, "<b>", "rule", "page.html")
    assert not edited(digest, page, "<b>")


def test_a_new_module_counts_once_it_is_imported(digest: ModuleType, scripts: Path) -> None:
    (scripts / "kvbench/fresh.py").write_text("z = 1\n")
    assert not edited(digest, scripts / "rule.py", "")
    assert edited(digest, scripts / "rule.py", "from kvbench import fresh\n")
    assert edited(digest, scripts / "kvbench/fresh.py", "z = 2\n")


def test_the_two_engines_do_not_share_their_modules() -> None:
    """Editing one engine's code must not rerun the other engine's runs."""
    module = importlib.import_module("kvbench.config.digests")
    engines = module.SCRIPTS / "kvbench/engines"
    names = {
        script: {
            path.relative_to(engines).as_posix()
            for path in module._closure([module.SCRIPTS / f"{script}.py"])
            if path.is_relative_to(engines)
        }
        for script in ("run_traditional", "run_vllm")
    }
    assert {"transformers/padded.py", "transformers/continuous.py"} <= names["run_traditional"]
    assert not any(name.startswith("vllm/") for name in names["run_traditional"])
    assert {"vllm/runner.py", "vllm/scheduler.py", "vllm/worker.py"} <= names["run_vllm"]
    assert not any(name.startswith("transformers/") for name in names["run_vllm"])


@pytest.mark.parametrize("entry", FIGURES, ids=lambda entry: entry.name)
def test_no_rule_draws_what_it_does_not_plot(entry: Entry) -> None:
    """A figure's module is in its own rule's digest and in no other; only helper modules are shared."""
    module = importlib.import_module("kvbench.config.digests")
    begin = [module.SCRIPTS / "plot_figure.py", *module._module_files(entry.module)]
    found = {path.stem for path in module._closure(begin) if path.parent.name == "figures"}
    shared = {"__init__", "job", "not_drawn", "points", "rates", "saving", "seaborn_alone", "style", "words"}
    assert found - shared == {entry.name}


def test_a_module_that_a_script_is_told_of_counts(digest: ModuleType, scripts: Path) -> None:
    assert digest.code_digest("alone") != digest.code_digest("alone", modules=["kvbench.sub.deep"])
    before = digest.code_digest("alone", modules=["kvbench.sub.deep"])
    (scripts / "kvbench/other.py").write_text("thing = 2\n")
    forget(digest)
    assert digest.code_digest("alone", modules=["kvbench.sub.deep"]) != before
