"""A SLURM of three nodes on this machine's loopback, from Debian's packages, without systemd and without a database.

Its daemons run in a mount and process namespace of their own, in which /etc/slurm is a temporary folder: the machine's
own configuration stays as it is, and nothing outlives the namespace.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
CONFIGURATION = Path("/etc/slurm")
UP_S = 60.0
PATIENCE_S = 500.0  # on a machine that others use too; no test needs a tenth of it on one that is idle
NODES = {"a": "main", "b": "side", "c": "short"}  # and their partitions; a has a GPU, and main is the default
# As much as jobs ask for, whatever the machine has: `config_overrides` lets a node have it.
MEMORY_MB = 20_000

SLURM_CONF = """
ClusterName=kvbench
SlurmctldHost={host}
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=1
GresTypes=gpu
ReturnToService=2
KillWait=5
MinJobAge=300
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory_mb}"
PARTITION = "PartitionName={partition} Nodes={name} MaxTime=60 State=UP"


def missing() -> str:
    """Why no SLURM can be brought up here; empty if one can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"SLURM: {absent[0]} is not installed (Debian: apt install slurm-wlm munge)"
    if os.getuid() != 0:
        return "SLURM: its daemons are started as root"
    made = subprocess.run([*NAMESPACE, "mount", "--bind", "/tmp", str(CONFIGURATION)], capture_output=True, text=True)
    return "" if made.returncode == 0 else f"SLURM: no namespace of its own here: {made.stderr.strip()}"


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Slurm:
    """`with Slurm(folder) as slurm:` has NODES with `cpus` CPUs each."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.cpus = folder, cpus
        # A short path, for vLLM's sockets; with it, jobs wait for no turn of other programs on this machine.
        self.temporary = Path(tempfile.mkdtemp(prefix="s", dir="/tmp"))
        self.host = socket.gethostname().split(".")[0]

    def __enter__(self) -> Slurm:
        for name in ("etc", "state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, mode=0o755)
        self._configure()
        self._init = subprocess.Popen(
            [
                *NAMESPACE,
                "sh",
                "-c",
                f"mount --bind {self.folder}/etc {CONFIGURATION} && echo up && exec sleep infinity",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout.readline() == "up\n"
        [child] = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()
        self._enter = ["nsenter", "--target", child, "--mount", "--pid"]
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._init.send_signal(signal.SIGKILL)  # --kill-child: all processes of the namespace end too
        self._init.wait()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def run(self, *command: str, cwd: Path = Path("/"), **given: object) -> subprocess.CompletedProcess[str]:
        """Run a command inside, to its end."""
        options = {
            "capture_output": True,
            "text": True,
            "timeout": PATIENCE_S,
            "check": False,
            "env": self.environment(),
            **given,
        }
        return subprocess.run([*self._enter, "env", "-C", str(cwd), *command], **options)

    def begin(self, *command: str, cwd: Path = Path("/"), **given: object) -> subprocess.Popen[str]:
        """Start a command inside, in a group of its own."""
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "env": self.environment(),
            **given,
        }
        return subprocess.Popen([*self._enter, "env", "-C", str(cwd), *command], start_new_session=True, **options)

    def environment(self) -> dict[str, str]:
        """The environment for commands: that of the tests without SLURM's, with the folders of daemons on the path."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "KVBENCH_"))}
        return {**kept, "PATH": _path(), "TMPDIR": str(self.temporary)}

    def jobs(self) -> list[dict[str, str]]:
        """All jobs, those that have ended included: number, what, state, node, begin and end."""
        keys = ("number", "what", "state", "node", "begun", "ended", "folder")
        listing = self.run("squeue", "--noheader", "--states=all", "--format=%i|%k|%T|%N|%S|%e|%Z").stdout
        return [dict(zip(keys, line.split("|"), strict=True)) for line in listing.splitlines()]

    def wait_for(self, what: str, state: str, folder: Path, patience_s: float = PATIENCE_S) -> str:
        """Wait until a job of `folder` with `what` in its comment is in a state; return its number."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            for job in self.jobs():
                if what in job["what"] and job["state"] == state and job["folder"] == str(folder):
                    return job["number"]
            time.sleep(0.3)
        raise AssertionError(f"no job {what} is {state}: {self.jobs()}")

    def processes(self) -> list[str]:
        """All processes inside but for the daemons and the listing: number, parent, state, age in seconds, command."""
        listing = self.run("ps", "-e", "-ww", "-o", "pid=,ppid=,stat=,etimes=,args=").stdout.splitlines()
        ours = ("sleep infinity", "ps -e", "munged", "slurmctld", "slurmd", ": slurmscriptd")
        commands = [(line, line.split(maxsplit=4)[4].strip()) for line in listing]
        return [line for line, args in commands if not args.startswith(ours) and "<defunct>" not in args]

    def _configure(self) -> None:
        controller, *daemons = _free_ports(1 + len(NODES))
        lines = [SLURM_CONF.format(host=self.host, controller=controller, folder=self.folder)]
        for (name, partition), port in zip(NODES.items(), daemons, strict=True):
            node = NODE.format(name=name, host=self.host, port=port, cpus=self.cpus, memory_mb=MEMORY_MB)
            place = PARTITION.format(partition=partition, name=name)
            lines += [f"{node} Gres=gpu:1", f"{place} Default=YES"] if name == "a" else [node, place]
        (self.folder / "etc/slurm.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "etc/gres.conf").write_text("NodeName=a Name=gpu File=/dev/null\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def _start(self) -> None:
        munge = [f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in ("key-file", "socket", "pid-file")]
        munge += [f"--{name}-file={self.folder}/munge.{name}" for name in ("log", "seed")]
        daemons = [["slurmd", "-N", name] for name in NODES]
        for command in (["munged", "--force", *munge], ["slurmctld", "-c"], *daemons):
            done = self.run(*command)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        until = time.monotonic() + UP_S
        while self._states() != ["idle"] * len(NODES):
            assert time.monotonic() < until, (self._states(), *self._logs())
            time.sleep(0.2)

    def _states(self) -> list[str]:
        return self.run("sinfo", "--noheader", "--Node", "--format=%T").stdout.split()

    def _logs(self) -> list[str]:
        return [path.read_text() for path in self.folder.glob("*.log")]


def _free_ports(number: int) -> Sequence[int]:
    """Ports of loopback that are free now."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        with suppress(OSError):
            one.close()
    return ports
