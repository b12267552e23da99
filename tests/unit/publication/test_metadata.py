"""CITATION.cff, .zenodo.json, pyproject.toml and LICENSE agree; the catalogue's files are as its rules ask.

The catalogue's rules: https://github.com/snakemake/snakemake-workflow-catalog, source/docs/about/adding_workflows.md.
"""

import json
import re
import tomllib

from builders.places import ROOT

from kvbench.yaml_files import read_yaml

CITED = read_yaml(ROOT / "CITATION.cff")
ZENODO = json.loads((ROOT / ".zenodo.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NO_OVERLAYS = {"cards.yaml", "claims.yaml", "targets.yaml", "published.yaml", "shapes.yaml"}


def test_version_and_licence_are_the_same_everywhere():
    assert CITED["version"] == ZENODO["version"] == PROJECT["version"]
    assert CITED["license"] == ZENODO["license"] == PROJECT["license"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{CITED['license']} License")


def test_title_creators_and_keywords_are_the_same():
    assert ZENODO["title"] == CITED["title"]
    assert [one["name"] for one in ZENODO["creators"]] == [one["name"] for one in CITED["authors"]]
    assert PROJECT["authors"] == ZENODO["creators"]
    assert (ZENODO["description"], ZENODO["keywords"]) == (PROJECT["description"], PROJECT["keywords"])


def test_zenodo_refers_to_what_is_cited():
    related = {one["identifier"] for one in ZENODO["related_identifiers"] if one["relation"] == "references"}
    assert related == {one["doi"] for one in CITED["references"]}


def test_the_catalogue_finds_workflow_rules_and_instructions():
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "workflow/Snakefile").is_file()
    assert any((ROOT / "rules").glob("*.smk"))
    assert (ROOT / "config/README.md").is_file()
    usage = read_yaml(ROOT / ".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment == {"conda": True, "apptainer": False, "apptainer+conda": False, "report": True}


def test_the_configuration_page_names_every_overlay_and_no_other():
    linked = re.findall(r"\]\(([\w-]+\.yaml)\)", (ROOT / "config/README.md").read_text())
    assert sorted(linked) == sorted(path.name for path in (ROOT / "config").glob("*.yaml"))
    table = [line for line in (ROOT / "config/README.md").read_text().splitlines() if line.startswith("| [")]
    assert not NO_OVERLAYS & set(re.findall(r"\]\(([\w-]+\.yaml)\)", "\n".join(table)))
