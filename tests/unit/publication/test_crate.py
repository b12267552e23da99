"""The crate of a run, read back: its files and checksums, who made it, with what, under which licence."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from builders.machines import write_machine
from builders.places import ROOT, SCRIPTS
from rocrate.rocrate import ROCrate

from kvbench.errors import UserError
from kvbench.publication.crate import PROFILE, _commit, write_crate
from kvbench.publication.creators import citation, creators
from kvbench.yaml_files import read_yaml

PACKAGES = {"torch": {"version": "2.13.0", "file": "/home/me/torch"}, "vllm": None}
SPEEDS = {"vllm": (300, 280, 320, 270, 330)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = write_machine(tmp_path_factory.mktemp("run") / "results", SPEEDS, packages=PACKAGES)
    facts = json.loads((folder / "environment.json").read_text())
    facts["python"] = {"version": "3.12", "executable": "/home/me/python"}
    facts["gpus"] = [{"name": "A GPU", "uuid": "GPU-0"}]
    (folder / "environment.json").write_text(json.dumps(facts))
    (folder / "report.html").write_text("<!doctype html>")
    (folder / "runs/m/vllm/my requests").mkdir(parents=True)
    (folder / "runs/m/vllm/my requests/kv.parquet").write_bytes(b"PAR1")
    (folder / ".report.html.1.tmp").write_text("of a killed call")
    return folder


@pytest.fixture(scope="module")
def packed(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "crate.zip"
    write_crate(results, out, ROOT)
    return out


@pytest.fixture(scope="module")
def crate(packed):
    return ROCrate(packed)


def _files(crate):
    return {entity.id: entity for entity in crate.data_entities if entity.type == "File"}


def test_the_metadata_lists_every_file_with_its_size_and_checksum(packed, crate):
    with zipfile.ZipFile(packed) as archive:
        content = {name: archive.read(name) for name in archive.namelist() if name != "ro-crate-metadata.json"}
    listed = _files(crate)
    assert {name.replace(" ", "%20") for name in content} == listed.keys()
    for name, found in content.items():
        entity = listed[name.replace(" ", "%20")]
        assert entity["sha256"] == hashlib.sha256(found).hexdigest()
        assert entity["contentSize"] == str(len(found))
    assert {"report.html", "config.yaml", "tables/throughput.csv", "CITATION.cff", "LICENSE"} <= content.keys()
    assert "runs/m/vllm/my requests/kv.parquet" in content
    assert listed["tables/throughput.csv"]["encodingFormat"] == "text/csv"


def test_the_crate_names_creators_licence_and_profile(crate):
    cited = read_yaml(ROOT / "CITATION.cff")
    assert [one["name"] for one in crate.creator] == [author["name"] for author in cited["authors"]]
    assert crate.license.id == f"https://spdx.org/licenses/{cited['license']}"
    assert crate.root_dataset["conformsTo"].id == PROFILE
    assert cited["version"] in crate.name


def test_one_action_made_the_files_with_kvbench_and_its_packages(crate):
    [action] = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    assert crate.root_dataset["mentions"] == action
    assert {one.id for one in action["object"]} == {"config.yaml", "environment.json"}
    assert {one.id for one in action["result"]} == _files(crate).keys() - {
        *("config.yaml", "environment.json", "CITATION.cff", "LICENSE")
    }
    program = action["instrument"]
    assert program["softwareVersion"] == read_yaml(ROOT / "CITATION.cff")["version"]
    [requirement] = program["softwareRequirements"]
    assert (requirement["name"], requirement["softwareVersion"]) == ("torch", "2.13.0")


def test_the_commit_is_that_of_the_checkout(crate):
    version = crate.dereference("#kvbench").properties().get("version")
    command, head = [shutil.which("git"), "-C", str(ROOT), "rev-parse", "HEAD"], ""
    if command[0] and (ROOT / ".git").exists():
        head = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert (version or "").removesuffix("+") == head


def test_there_is_no_commit_outside_a_checkout_and_without_git(tmp_path, monkeypatch):
    assert _commit(SCRIPTS) is None  # inside ours, but none itself
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _commit(ROOT) is None


def test_every_reference_leads_to_an_entity(packed):
    with zipfile.ZipFile(packed) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    known = {entity["@id"] for entity in graph}
    named = [
        one["@id"]
        for entity in graph
        for value in entity.values()
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict)
    ]
    assert [name for name in named if name not in known and not name.startswith("https://w3id.org/ro/crate/")] == []


def test_the_machine_is_told_without_its_paths_and_serial_numbers(packed):
    with zipfile.ZipFile(packed) as archive:
        facts = json.loads(archive.read("environment.json"))
    assert facts["packages"] == {"torch": "2.13.0", "vllm": None}
    assert facts["gpus"] == [{"name": "A GPU"}]
    assert "/home/me" not in json.dumps(facts)


@pytest.mark.parametrize(("out", "message"), [("crate.tar", "ends with .zip"), ("results/crate.zip", "outside")])
def test_a_wrong_target_is_refused(results, out, message):
    with pytest.raises(UserError, match=message):
        write_crate(results, results.parent / out, ROOT)


def test_an_unfinished_run_is_refused_in_one_line(tmp_path):
    command = [sys.executable, str(SCRIPTS / "crate.py"), str(tmp_path), "--out", str(tmp_path / "c.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"{tmp_path}: no report.html, so the run is not finished; `make run` first"]
    assert not (tmp_path / "c.zip").exists()


def test_persons_are_told_by_name_and_orcid():
    ada = {"given-names": "Ada", "family-names": "L", "orcid": "https://orcid.org/0"}
    assert creators({"authors": [ada, {"name": "A group"}]}) == [
        ("https://orcid.org/0", {"@type": "Person", "name": "Ada L", "givenName": "Ada", "familyName": "L"}),
        ("#A-group", {"@type": "Organization", "name": "A group"}),
    ]


def test_a_citation_without_a_licence_is_refused(tmp_path):
    (tmp_path / "CITATION.cff").write_text("title: t\nversion: 1\nauthors: [{name: n}]\n")
    with pytest.raises(UserError, match=r"CITATION.cff: license is missing"):
        citation(tmp_path)
