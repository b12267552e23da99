"""The container recipes install the locks and nothing else, with the Python of the conda files, both in one way."""

import re

import pytest
from builders.places import ROOT

import bootstrap

DOCKER, APPTAINER = ((ROOT / "containers" / name).read_text() for name in ("Dockerfile", "kvbench.def"))
RECIPES = pytest.mark.parametrize("recipe", [DOCKER, APPTAINER], ids=["docker", "apptainer"])
SET_UP = r"python envs/bootstrap\.py --flavour (?:\$\{FLAVOUR\}|\{\{ FLAVOUR \}\})"


def _base(recipe):
    [image] = re.findall(r"(?m)^F(?:ROM|rom:) (\S+)$", recipe)
    return image


def _debian(recipe):
    [packages] = re.findall(r"apt-get install --yes --no-install-recommends (.*?)(?: \\)?\n", recipe)
    return packages.split()


@RECIPES
def test_the_python_is_that_of_the_conda_files(recipe):
    [version] = re.findall(r"^python:(\d+\.\d+)-slim-\w+$", _base(recipe))
    for flavour in bootstrap.SIZES:
        assert f"  - python ={version}\n" in (ROOT / f"envs/{flavour}.yaml").read_text()
    assert tuple(map(int, version.split("."))) >= bootstrap.MIN_PYTHON


@RECIPES
def test_packages_come_from_the_lock_of_the_flavour_alone(recipe):
    assert len(re.findall(SET_UP, recipe)) == 1
    [flavour] = re.findall(r"FLAVOUR=(\w+)$", recipe, re.M)
    assert (ROOT / bootstrap.lock_path(flavour)).is_file()
    commands = "\n".join(line for line in recipe.splitlines() if not line.startswith("#"))
    assert re.findall(r"==|\bpip\b|\bconda\b|\buv pip\b", commands) == []


def test_both_recipes_are_of_one_image_and_the_same_debian_packages():
    assert _base(DOCKER) == _base(APPTAINER)
    assert _debian(DOCKER) == _debian(APPTAINER)


def test_the_environment_is_made_before_the_project_is_copied():
    """So that a change of code does not install everything again."""
    assert DOCKER.index("COPY envs envs") < re.search(SET_UP, DOCKER).start() < DOCKER.index("COPY . .")


def test_an_image_holds_nothing_that_git_ignores():
    def folders(name):
        return {line.strip("*/") for line in (ROOT / name).read_text().splitlines() if line and line[0] != "#"}

    assert folders(".gitignore") <= folders(".dockerignore")


def test_apptainer_copies_all_that_a_run_reads():
    copied = dict(re.findall(r"(?m)^    (\S+) /kvbench/(\S+)$", APPTAINER))
    assert all(source == target and (ROOT / source).exists() for source, target in copied.items())
    read = {"Makefile", "Snakefile", "config.yaml", "CITATION.cff", "LICENSE", "envs", "scripts", "schemas", "config"}
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r'"(?:\.\./)?(\w+)/', rules))
    top = {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert read | {"docs", "profiles", "rules"} | (named & top - {"results", "logs", "resources"}) <= copied.keys()
