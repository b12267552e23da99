#!/usr/bin/env python3
"""Make .venv from the lock of its flavour: `make run` and `make test` call this first; if it is ready, nothing happens.

Uses only the standard library and syntax that an old Python can parse, so that it can always report what is missing.
"""

import argparse
import ast
import ctypes
import fcntl
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIN_PYTHON = (3, 11)
MIN_UV = (0, 8)
CUDA_NEEDED = (13, 0)  # envs/cuda.in: torch is built for CUDA 13
# A page with links to torch's CPU wheels only; PyTorch's index would shadow other packages of PyPI.
TORCH_PAGE = "https://download.pytorch.org/whl/cpu/torch/"

# GB to download, and GB on the disk, with an empty cache: the lock's wheels, their unpacked files and the bytecode.
SIZES = {"cpu": (1.2, 4.6), "cuda": (4.4, 10.5), "plan": (0.25, 0.9)}

# The cpu flavour where torch's CPU build cannot be had: envs/pypi-torch.txt in place of its entries. Sizes as above.
PYPI_TORCH = "pypi-torch"
PYPI_TORCH_SIZE = (3.7, 7.4)

# The flavour without engines, where it can be installed, and what to say where the others cannot be.
PLAN = "plan"
PLAN_PLATFORMS = [(system, machine) for system in ("Linux", "Darwin") for machine in ("x86_64", "arm64", "aarch64")]
WITHOUT_ENGINES = "replays, plans and reports need no engine: `make plan FLAVOUR=plan`"

# A third of all modules, of which the pipeline imports hardly any: tests, code of other models, a client in vLLM.
SELDOM_IMPORTED = r"/tests?/|/testing/_internal/|/transformers/models/(?!auto/)|/anthropic/"
COMPILE = """
import compileall, functools, os, re, sysconfig
from concurrent.futures import ProcessPoolExecutor
seldom, folders = re.compile(%r), os.walk(sysconfig.get_path("purelib"))
modules = [os.path.join(folder, name) for folder, _, names in folders for name in names if name.endswith(".py")]
with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    wanted = [path for path in modules if not seldom.search(path)]
    list(pool.map(functools.partial(compileall.compile_file, quiet=2), wanted, chunksize=50))
"""


class Refused(Exception):
    """Shown as one line."""


def main():
    parser = argparse.ArgumentParser(description="Make the environment from its lock.")
    parser.add_argument("--flavour", choices=["", "auto", "cpu", "cuda", PLAN], default="auto")
    parser.add_argument("--prefix", default="", help="install into this existing environment (conda)")
    parser.add_argument("--no-engine", action="store_true", help="auto: the flavour that is there, or else plan")
    options = parser.parse_args()
    try:
        check_python()
        wish = options.flavour or "auto"
        if options.no_engine and wish == "auto":
            wish = present(venv_path()) or PLAN
        check_platform(wish)
        if options.prefix:
            flavour, _ = choose_flavour(wish)
            sync(find_uv(), os.path.join(options.prefix, "bin", "python"), flavour)
        else:
            set_up(wish)
    except Refused as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to complete the set-up")


def check_python():
    if sys.version_info < MIN_PYTHON:
        raise Refused(
            f"Python {platform.python_version()} is too old, 3.11 or newer is needed; install one and name it, as in "
            "`make run PYTHON=python3.11`"
        )


def check_platform(wish):
    """Refused if the locks of the wished flavour have no wheels for this system."""
    here = (platform.system(), platform.machine())
    if wish == PLAN and here not in PLAN_PLATFORMS:
        raise Refused(f"{' on '.join(here)}: the plan flavour is for Linux and macOS on x86-64 and arm64")
    if wish != PLAN and here != ("Linux", "x86_64"):
        told = f"; {WITHOUT_ENGINES}" if here in PLAN_PLATFORMS else ""
        raise Refused(f"{' on '.join(here)}: engines need Linux on x86-64, such as a virtual machine{told}")


def present(venv):
    """The flavour of an environment, complete or of an older lock; empty if there is none."""
    found = Stamp(venv).flavour()
    return found if found in SIZES and os.path.exists(python_of(venv)) else ""


def set_up(wish):
    """Bring .venv to the state of the flavour's lock, unless it is there already."""
    flavour, reason = choose_flavour(wish)
    if flavour == "cpu" and not has_avx2():
        raise Refused(
            f"this CPU has no AVX2, which vLLM's CPU build needs; use another machine, or none: {WITHOUT_ENGINES}"
        )
    lock = lock_path(flavour)
    with only_one() as guard:
        venv = venv_path()
        stamp = Stamp(venv)
        if stamp.says(flavour, lock):
            return
        announce(flavour, reason, room_needed(flavour, stamp.flavour()), venv)
        uv = find_uv(guard)
        # uv would take packages without what slim.py removed for whole ones.
        slimmed = PLAN in (flavour, stamp.flavour())
        fresh = slimmed or stamp.unfinished() or not os.path.exists(python_of(venv))
        if fresh:
            run([uv, "venv", "--quiet", "--clear", "--python", base_python(), venv], guard)
        stamp.begin()
        sync(uv, python_of(venv), flavour, guard)
        stamp.finish(flavour, lock)
    print(f"Set-up done: .venv holds the {flavour} flavour, {size_gb(venv):.2f} GB.", flush=True)


def venv_path(root=ROOT):
    """The real path of .venv. Snakemake does not quote the path of Python, so in a folder whose name has a space or a
    similar character, .venv becomes a link to a folder without one.
    """
    venv = os.path.join(root, ".venv")
    if shlex.quote(root) != root and not os.path.lexists(venv):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        target = os.path.join(cache, "kvbench", "venv-" + hashlib.sha256(root.encode()).hexdigest()[:16])
        if shlex.quote(target) != target:
            raise Refused(
                f"{root}: Snakemake cannot work under a name with a space or quote; move the project to another folder"
            )
        os.makedirs(target, exist_ok=True)
        os.symlink(target, venv)
    return os.path.realpath(venv)


class Stamp:
    """A file in the environment that says which lock it was made from, or that the set-up is unfinished."""

    BEGUN = "unfinished"

    def __init__(self, venv):
        self.venv = venv
        self.path = os.path.join(venv, "kvbench.stamp")

    def says(self, flavour, lock):
        """Whether the environment is complete, made from this lock, and still at the path that its scripts contain."""
        return self.text() == self.of(flavour, lock) and os.path.exists(python_of(self.venv))

    def unfinished(self):
        """Whether an earlier set-up was killed; packages may then be incomplete without any sign of it."""
        return self.text() == self.BEGUN

    def flavour(self):
        return self.text().partition(" ")[0]

    def begin(self):
        self._write(self.BEGUN)

    def finish(self, flavour, lock):
        self._write(self.of(flavour, lock))

    def of(self, flavour, lock):
        with open(lock, "rb") as file:
            return f"{flavour} {hashlib.sha256(file.read()).hexdigest()} {self.venv}"

    def text(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read()
        except OSError:
            return ""

    def _write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)


def choose_flavour(wish):
    """`(flavour, reason)`: cuda if a recent enough driver shows a GPU."""
    if wish == PLAN:
        return wish, "no engine"
    if wish in SIZES:
        return wish, "as set by FLAVOUR"
    gpus, version = nvidia()
    if not gpus:
        return "cpu", "no NVIDIA GPU with a working driver"
    if version < CUDA_NEEDED:
        has, needs = (".".join(map(str, numbers)) for numbers in (version, CUDA_NEEDED))
        return (
            "cpu",
            f"the NVIDIA driver supports CUDA {has}, the cuda flavour needs {needs}: update the driver to use the GPU",
        )
    return "cuda", f"{gpus} NVIDIA GPU" + "s" * (gpus > 1)


def nvidia(library="libnvidia-ml.so.1"):
    """Number of NVIDIA GPUs and the driver's CUDA version, from NVML; `(0, (0, 0))` without a driver."""
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return 0, (0, 0)
    if nvml.nvmlInit_v2() != 0:
        return 0, (0, 0)
    count, version = ctypes.c_uint(0), ctypes.c_int(0)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    nvml.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(version))
    nvml.nvmlShutdown()
    return count.value, (version.value // 1000, version.value % 1000 // 10)


def has_avx2(cpuinfo="/proc/cpuinfo"):
    with open(cpuinfo, encoding="utf-8") as file:
        return re.search(r"^flags\s*:.*\bavx2\b", file.read(), re.MULTILINE) is not None


def room_needed(flavour, installed):
    """GB of disk needed; updating an environment of the same flavour to a newer lock needs little."""
    return 1.0 if installed == flavour else SIZES[flavour][1]


def announce(flavour, reason, need_gb, venv):
    """Print what the set-up will need; Refused if there is too little disk space."""
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    download_gb = SIZES[flavour][0]
    minutes = download_gb * 8e3 / 100 / 60 + 0.5
    print(
        f"Setting up the {flavour} flavour ({reason}).\n"
        f"  download  up to {download_gb} GB, minus what uv's cache already has\n"
        f"  disk      {need_gb} GB in {venv}; {free_gb:.1f} GB are free\n"
        f"  time      about {minutes:.0f} min at 100 Mbit/s, under a minute from the cache",
        flush=True,
    )
    if free_gb < need_gb:
        told = "" if flavour == PLAN else f"; {WITHOUT_ENGINES}, in {SIZES[PLAN][1]} GB"
        raise Refused(
            f"{ROOT}: {free_gb:.1f} GB free, {need_gb} GB needed; free disk space, or put the project on a larger disk"
            + told
        )


def find_uv(guard=None):
    """The uv on PATH if it is new enough, else the one that envs/uv.txt pins, in .uv/."""
    found = shutil.which("uv")
    if found and uv_version(found) >= MIN_UV:
        return found
    own = os.path.join(ROOT, ".uv")
    uv = os.path.join(own, "bin", "uv")
    if not (os.path.exists(uv) and uv_version(uv) >= MIN_UV):
        # If ensurepip is missing, `-m venv` would leave a partial environment behind.
        if subprocess.call([base_python(), "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL):
            raise Refused("Python's venv module is incomplete; `sudo apt install python3-venv`, or put uv on PATH")
        run([base_python(), "-m", "venv", "--clear", own], guard)
        pins = os.path.join(ROOT, "envs", "uv.txt")
        run([python_of(own), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins], guard)
    return uv


def uv_version(uv):
    """The version of uv as numbers; () if it does not run."""
    try:
        text = subprocess.run([uv, "--version"], stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode()
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def sync(uv, python, flavour, guard=None):
    """Install exactly what the flavour's lock lists; uv checks the hashes."""
    lock = lock_path(flavour)
    where = wheel_sources(uv, python, lock)
    if where is None and flavour == "cpu":
        sync_with_pypi_torch(uv, python, lock, guard)
    else:
        install(uv, python, where or [], lock, guard)
    if flavour == PLAN:
        print("Removing what no job reads ...", flush=True)
        run([python, "-I", os.path.join(ROOT, "envs", "slim.py")], guard)
    else:
        compile_modules(python, guard)


def install(uv, python, where, lock, guard=None):
    run([uv, "pip", "sync", "--python", python, *where, lock], guard, mend="; see docs/installation.md")


def sync_with_pypi_torch(uv, python, lock, guard=None):
    """Install the cpu flavour with PyPI's build of torch, after saying what it takes; Refused without room for it."""
    download_gb, need_gb = PYPI_TORCH_SIZE
    print(
        f"Neither the folders of wheels nor PyTorch's page has {pin(lock, 'torch')}. PyPI's own build will serve, with "
        f"the CUDA libraries that it needs:\n  download  up to {download_gb} GB\n  disk      {need_gb} GB",
        flush=True,
    )
    free_gb = shutil.disk_usage(os.path.dirname(python)).free / 1e9
    if free_gb < need_gb and not has_distribution(python, "nvidia_cudnn_cu13"):
        raise Refused(
            f"{ROOT}: {free_gb:.1f} GB free, {need_gb} GB needed; free disk space, or name a folder or page that has "
            f"{pin(lock, 'torch')} in TORCH_PAGE"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cpu.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(replaced(read(lock), read(lock_path(PYPI_TORCH))))
        install(uv, python, folders_of_wheels(), path, guard)


def replaced(lock, other):
    """The text of a lock, with all entries of another one in place of those of the same names."""
    named = re.compile(r"^([a-z0-9][a-z0-9-]*)==.*\n(?:[ ]+--hash=.*\n)*", re.MULTILINE)
    names = {found.group(1) for found in named.finditer(other)}
    return named.sub(lambda found: "" if found.group(1) in names else found.group(), lock) + other


def has_distribution(python, name):
    """Whether the environment of this interpreter has a package, whatever its version."""
    library = os.path.join(os.path.dirname(os.path.dirname(python)), "lib")
    return any(
        folder.startswith(f"{name}-")
        for version in (os.listdir(library) if os.path.isdir(library) else [])
        for folder in os.listdir(os.path.join(library, version, "site-packages"))
    )


def compile_modules(python, guard=None):
    """Compile modules once; otherwise each job would compile them again if Python cannot write bytecode.

    uv could compile too, but cannot skip modules. Modules that are not compiled here are compiled on import.
    """
    print("Compiling modules ...", flush=True)
    command = [python, "-I", "-c", COMPILE % SELDOM_IMPORTED]
    subprocess.call(command, env=environment(), stderr=subprocess.DEVNULL, pass_fds=[guard.fileno()] if guard else [])


def wheel_sources(uv, python, lock):
    """Options for where to find wheels: pip's folders, and PyTorch's page if the lock's torch is not in them.

    None if the lock's torch is in neither.
    """
    folders = folders_of_wheels()
    torch = pin(lock, "torch")
    page = ["--find-links", os.environ.get("TORCH_PAGE", TORCH_PAGE)]
    for where in (folders, [*folders, *page]):
        if torch is None or can_install(uv, python, where, torch):
            return where
    return None


def folders_of_wheels():
    return [option for folder in find_links() for option in ("--find-links", folder)]


def can_install(uv, python, where, requirement):
    """Whether uv finds a wheel for this interpreter; nothing is installed."""
    command = [uv, "pip", "install", "--quiet", "--dry-run", "--no-deps", "--python", python, *where, requirement]
    return subprocess.call(command, env=environment(), stderr=subprocess.DEVNULL) == 0


def find_links():
    """Folders and pages of wheels in pip's settings; none if UV_FIND_LINKS is set, which uv reads itself."""
    if os.environ.get("UV_FIND_LINKS"):
        return []
    listing = subprocess.run(
        [base_python(), "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    ).stdout.decode()
    if not listing:
        listing = f":env:.find-links={os.environ.get('PIP_FIND_LINKS', '')!r}"
    return parse_find_links(listing)


def parse_find_links(listing):
    """The values of `find-links` in the output of `pip config list`, each once, in order."""
    values = re.findall(r"^\S+\.find-links=(.+)$", listing, re.MULTILINE)
    return list(dict.fromkeys(folder for value in values for folder in ast.literal_eval(value).split()))


def pin(lock, name):
    """`name==version` from the lock; None if it does not list the name."""
    found = re.search(rf"^{re.escape(name)}==[^\s;\\]+", read(lock), re.MULTILINE)
    return found and found.group()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def environment():
    """Our environment without variables that would point uv to another Python or make it require torch's hash."""
    unwanted = {"UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_REQUIRE_HASHES", "PYTHONPATH", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def run(command, guard=None, mend=""):
    """Run a command with its output on the terminal. It inherits the lock, which thus outlives us if we are killed."""
    code = subprocess.call(command, env=environment(), pass_fds=[guard.fileno()] if guard else [])
    if code:
        raise Refused(f"set-up failed: `{os.path.basename(command[0])} {command[1]}` ended with code {code}{mend}")


def only_one():
    """An open file that holds a lock against a second set-up of this project; waits for the first."""
    guard = open(os.path.join(ROOT, "envs", "bootstrap.py"), encoding="utf-8")  # noqa: SIM115
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another set-up of this folder to end ...", flush=True)
        fcntl.flock(guard, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks
    return guard


def lock_path(flavour):
    return os.path.join(ROOT, "envs", flavour + ".txt")


def size_gb(folder):
    """GB on the disk of all files in a folder."""
    paths = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in paths) / 1e9


def python_of(venv):
    return os.path.join(venv, "bin", "python")


def base_python():
    """The interpreter behind ours: the active one may be that of .venv, which is about to be replaced."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


if __name__ == "__main__":
    main()
