"""A real Slurm of one node in a folder of its own: munge, controller, node and REST server.

Everything runs in the foreground as a child of this process, on free ports, and ends with
it; nothing of a Slurm that the machine may have is used or changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from typing import Final

NEEDED: Final = ("munged", "slurmctld", "slurmd", "slurmrestd", "sbatch", "scontrol", "sinfo")
PATIENCE_S: Final = 60.0
REST_USER: Final = "nobody"
"""slurmrestd refuses to run as root."""
CONFIG: Final = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100 State=UNKNOWN
PartitionName=work Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Return what keeps a lab from running here; None where it can run."""
    if absent := [name for name in NEEDED if _program(name) is None]:
        return f"Slurm is not installed here ({', '.join(absent)})"
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class SlurmLab:
    """One node with as many CPUs as the machine has, one partition, one REST server."""

    folder: Path
    rest_port: int = field(default_factory=_free_port)
    cpus: int = field(default_factory=lambda: os.cpu_count() or 1)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where the REST server is."""
        return f"http://127.0.0.1:{self.rest_port}"

    def start(self) -> None:
        """Bring everything up. Raises TimeoutError with the newest lines of the logs."""
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        self._secret("munge/key", 128)
        self._secret("jwt.key", 32)
        config = CONFIG.format(
            host=socket.gethostname().partition(".")[0],
            folder=self.folder,
            controller_port=_free_port(),
            node_port=_free_port(),
            cpus=self.cpus,
        )
        (self.folder / "slurm.conf").write_text(config)
        munge = self.folder / "munge"
        munge.chmod(0o755)
        self._run(
            "munged",
            "--foreground",
            "--force",
            *(f"--{each}-file={munge / each}" for each in ("key", "log", "pid", "seed")),
            f"--socket={munge / 'socket'}",
        )
        self._wait("munge", (munge / "socket").exists)
        self.start_controller()
        self._run("slurmd", "-D")
        self._start_rest()
        self._wait("the node", lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"))

    def start_controller(self) -> None:
        """Start slurmctld, again where it was killed."""
        self._run("slurmctld", "-D")
        self._wait("slurmctld", lambda: "UP" in self.ask("scontrol", "ping"))

    def kill_controller(self) -> None:
        """Let slurmctld vanish without a word."""
        self._end("slurmctld", kill=True)

    def write_down(self, job: int) -> None:
        """Have the controller write its jobs to disk as they are now.

        It does so only some seconds after a change; so a comment is changed, and looked for
        in its file. Raises TimeoutError.
        """
        mark = secrets.token_hex(8)
        self.ask("scontrol", "update", f"JobId={job}", f"Comment={mark}", check=True)
        self._wait("the state of the jobs", lambda: self._written(mark.encode()))

    def _written(self, mark: bytes) -> bool:
        try:
            return mark in (self.folder / "state" / "job_state").read_bytes()
        except FileNotFoundError:
            # It is put in place anew each time, and for a moment is not there.
            return False

    def stop(self) -> None:
        """End all that was started, jobs first, then in the reverse order."""
        try:
            if "slurmctld" in self.running and "slurmd" in self.running:
                self.clear()
        finally:
            for name in reversed(list(self.running)):
                self._end(name)

    def clear(self) -> None:
        """Cancel all jobs, and wait until they are gone, as long as that is reasonable."""
        self.ask("scancel", "--user=root")
        until = time.monotonic() + PATIENCE_S
        while self.ask("squeue", "-h").strip() and time.monotonic() < until:
            time.sleep(0.2)

    def token(self, lifespan_s: int = 3600) -> str:
        """Return a token of root's."""
        return self.ask("scontrol", "token", f"lifespan={lifespan_s}").strip().partition("=")[2]

    def submit(self, seconds: int, *options: str) -> int:
        """Queue a job that takes every CPU for so long, and return its number."""
        command = ("-N1", f"-n{self.cpus}", "-o", "/dev/null", *options)
        said = self.ask("sbatch", "--parsable", *command, f"--wrap=sleep {seconds}", check=True)
        return int(said.strip().partition(";")[0])

    def ask(self, program: str, *arguments: str, check: bool = False) -> str:
        """Return what one of Slurm's commands says."""
        return subprocess.run(  # noqa: S603 - Slurm's own, and arguments of this file
            [_program(program) or program, *arguments],
            env=self._environment,
            cwd=self.folder,
            check=check,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "LC_ALL": "C"}

    def _start_rest(self) -> None:
        user = pwd.getpwnam(REST_USER)
        self._run(
            "slurmrestd",
            *("-a", "rest_auth/jwt", "-s", "openapi/v0.0.38", f"127.0.0.1:{self.rest_port}"),
            more={"SLURM_JWT": "daemon"},
            user=user.pw_uid,
            group=user.pw_gid,
        )
        self._wait("slurmrestd", self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.rest_port)) == 0

    def _secret(self, name: str, size: int) -> None:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_bytes(secrets.token_bytes(size))

    def _run(
        self,
        program: str,
        *arguments: str,
        more: Mapping[str, str] | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        command: Sequence[str] = [_program(program) or program, *arguments]
        with (self.folder / f"{program}.out").open("ab") as log:
            self.running[program] = subprocess.Popen(  # noqa: S603 - as above
                command,
                env=self._environment | dict(more or {}),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )

    def _end(self, name: str, *, kill: bool = False) -> None:
        process = self.running.pop(name)
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not there():
            dead = [name for name, each in self.running.items() if each.poll() is not None]
            if dead or time.monotonic() > until:
                raise TimeoutError(f"{what} did not come up\n{self._logs()}")
            time.sleep(0.2)

    def _logs(self) -> str:
        files = sorted((*self.folder.glob("*.out"), *self.folder.glob("*.log")))
        return "\n".join(
            f"{file.name}: {file.read_text(errors='replace')[-1000:]}" for file in files
        )


@contextmanager
def slurm_lab() -> Iterator[SlurmLab]:
    """Run a lab as long as the body runs."""
    with tempfile.TemporaryDirectory(prefix="slurm-lab-") as folder:
        lab = SlurmLab(Path(folder))
        try:
            lab.start()
            yield lab
        finally:
            lab.stop()


def main() -> int:
    """Run a lab until it is interrupted, and say how to reach it."""
    if (why := missing()) is not None:
        print(why)
        return 1
    with slurm_lab() as lab:
        print(f"slurmrestd: {lab.url}")
        print(f"token of one hour: scontrol token with SLURM_CONF={lab.folder}/slurm.conf")
        print("Ctrl+C ends it")
        try:
            while True:
                time.sleep(1.0)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    raise SystemExit(main())
