"""Rules and code pass the linters, and every rule has all required directives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from textwrap import dedent, indent

import pytest
from builders.places import ROOT, SCRIPTS
from builders.tree import copy_project, snakemake

from kvbench.config.cluster import MEASURING
from kvbench.figures.registry import CATEGORIES, FIGURES, Entry

BLOCK = re.compile(r"^(?:rule|checkpoint) (\w+):\n((?:    .*\n|\n)+)", re.M)
EACH_FIGURE = re.compile(r"^    rule:\n((?:        .*\n|\n)+)", re.M)


def rules() -> list[tuple[str, str]]:
    """Name and body of each rule; the rule generated for every figure is named after its script, plot_figure."""
    texts = [path.read_text() for path in sorted((ROOT / "rules").glob("*.smk"))]
    [made] = EACH_FIGURE.findall((ROOT / "rules/figures.smk").read_text())
    return [*(found for text in texts for found in BLOCK.findall(text)), ("plot_figure", indent(dedent(made), "    "))]


def command(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint(tmp_path: Path) -> None:
    done = snakemake(copy_project(tmp_path / "tree"), "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_snakefile_of_the_catalogue_asks_for_the_same_jobs(tmp_path: Path) -> None:
    tree, counts = copy_project(tmp_path / "tree"), []
    for file in ("Snakefile", "workflow/Snakefile"):
        done = snakemake(tree, "--dry-run", "--snakefile", file)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.M))
        assert jobs.pop("all" if file == "Snakefile" else "everything") == "1"
        counts.append(jobs)
    assert counts[0] == counts[1]
    assert counts[0]["run_vllm"] > "0"


def test_snakefmt() -> None:
    command("snakefmt.snakefmt", "--check", "Snakefile", "rules", "workflow")


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_ruff(arguments: tuple[str, ...]) -> None:
    command("ruff", *arguments, "scripts", "tests", "benchmarks", "envs")


def test_rooms_import_downwards_and_in_no_cycle() -> None:
    """The contracts of pyproject.toml."""
    lint = f"from importlinter.cli import lint_imports_command as lint; lint(['{ROOT}/pyproject.toml', '--no-cache'])"
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT / "scripts", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_architecture_draws_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawing = (ROOT / "docs/architecture.md").read_text().partition("\nroom  ")[2].partition("\n```")[0]
    assert re.findall(r"^([a-z_]+(?: \| [a-z_]+)*)  ", drawing, re.M) == layers


def test_every_stage_of_the_rules_is_drawn() -> None:
    drawing = (ROOT / "docs/architecture.md").read_text().partition("\nroom  ")[2].partition("\n```")[0]
    stages = {stage for line in drawing.splitlines() for stage in re.split("  +", line)[-1].split(", ")}
    assert {path.stem for path in (ROOT / "rules").glob("*.smk")} <= stages


def test_the_snakefile_is_a_table_of_contents() -> None:
    lines = (ROOT / "Snakefile").read_text().splitlines()
    assert len(lines) <= 40
    included = set(re.findall(r'include: "(.*)"', "\n".join(lines)))
    assert included == {f"rules/{path.name}" for path in (ROOT / "rules").glob("*.smk")}


def test_there_are_rules() -> None:
    assert {"check_environment", "run_traditional", "run_vllm", "make_report"} <= {name for name, _ in rules()}


@pytest.mark.parametrize(("name", "body"), rules(), ids=[name for name, _ in rules()])
def test_a_rule_has_all_that_is_asked_of_it(name: str, body: str) -> None:
    assert name == "plot_figure" or re.match(r'    """.*\."""\n', body), "a docstring of one line"
    for directive in ("output", "log", "benchmark", "conda", "params", "script"):
        assert f"    {directive}:\n" in body, directive
    assert f'"../scripts/{name}.py"' in body, "its script is named after it"
    assert re.search(rf'code=code_digest\(\s*"{name}"', body), "the digest of its script"
    assert "run:" not in body.split("params:")[0]
    for place in re.findall(r"    (?:input|output):\n((?:        .*\n)+)", body):
        assert all(re.match(r"        (\w+=|\*\*|unpack\(|\)|    )", line) for line in place.splitlines()), (
            "named files"
        )
    assert ("measure=1" in body) == (name in MEASURING)


@pytest.mark.parametrize("folder", ["scripts", "benchmarks", "envs"])
def test_no_program_is_started_through_a_shell(folder: str) -> None:
    """Nor does a rule: `shell:` would let a name from the configuration be a command."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert "shell" not in {keyword.arg for keyword in node.keywords}, path
                assert ast.unparse(node.func) not in ("os.system", "os.popen", "subprocess.getoutput"), path
    assert not [
        path for path in (ROOT / "rules").glob("*.smk") if re.search(r"^ *shell:|shell\(", path.read_text(), re.M)
    ]


def test_each_script_belongs_to_a_rule() -> None:
    alone = {"check_files", "compare", "crate", "gallery", "monitor", "picture", "report_again", "reproduce"}
    alone |= {"reproduce_page", "serve", "sweep", "verify"}
    alone |= {"cancel", "cluster"}
    assert {path.stem for path in SCRIPTS.glob("*.py")} - alone == {name for name, _ in rules()}


def test_adapters_are_thin() -> None:
    for name, _ in rules():
        assert len((SCRIPTS / f"{name}.py").read_text().splitlines()) <= 80, name


def test_scripts_read_no_configuration() -> None:
    """Snakemake's rerun triggers do not see what a script reads from `snakemake.config`."""
    for path in SCRIPTS.rglob("*.py"):
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "snakemake"
        }
        assert "config" not in names, path


@pytest.mark.parametrize("entry", FIGURES, ids=lambda entry: entry.name)
def test_a_figure_has_all_that_is_asked_of_it(entry: Entry) -> None:
    assert re.fullmatch(r"[^\n]+\.", entry.shows), "a docstring of one line"
    assert (ROOT / entry.caption).read_text().strip()
    assert entry.category in CATEGORIES
    assert callable(import_module(entry.module).from_job)


def test_captions_are_of_figures() -> None:
    captions = {f"captions/{path.name}" for path in (ROOT / "captions").glob("*.rst")}
    assert captions == {"captions/workflow.rst", *(entry.caption for entry in FIGURES)}
