"""A real PostgreSQL on loopback, in a folder of its own, for as long as the tests of one process last."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

PASSWORD: Final = "not-for-print"  # noqa: S105 - of a server that lives for a minute
START_S: Final = 60.0


def programs() -> Path | None:
    """The folder of PostgreSQL's own programs, the newest where there are several; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A running server. `fsync` off makes it quick; nothing of these tests cuts the power."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._programs = programs
        self._user: dict[str, str] = {"user": "nobody"} if os.geteuid() == 0 else {}
        self._counter = itertools.count(1)
        if self._user:
            shutil.chown(folder, "nobody")
        (folder / "password").write_text(PASSWORD)
        login = ("--username", "city", "--pwfile", str(folder / "password"), "--auth", "scram-sha-256")
        self._run("initdb", "--pgdata", str(folder / "data"), *login, "--encoding", "UTF8", "--no-locale", "--no-sync")
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), "--log", str(self.folder / "log"), "-w",
                  "--timeout", f"{START_S:.0f}", "--options", options, "start")  # fmt: skip

    def stop(self) -> None:
        """Stops it at once, as a machine that falls over would. `pg_ctl` once ended without a word."""
        lock = self.folder / "data" / "postmaster.pid"
        os.kill(int(lock.read_text(encoding="ascii").split()[0]), signal.SIGQUIT)
        until_s = time.monotonic() + START_S
        while lock.exists():
            if time.monotonic() > until_s:
                raise RuntimeError(f"{self.folder}: wanted PostgreSQL to end within {START_S:.0f} s, got none of it")
            time.sleep(0.05)

    def database(self) -> str:
        """The URL of an empty place of its own: a schema, which is as good as a database and costs a few files."""
        name = f"store_{next(self._counter)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.shared_database()}?options=-csearch_path%3D{name}"

    def shared_database(self) -> str:
        """The URL of a database that is always there, for what writes nothing."""
        return f"postgresql+psycopg://city:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def execute(self, statement: str) -> None:
        """Executes a statement, outside of all stores."""
        with psycopg.connect(self.shared_database().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement.encode())

    def cut_connections(self) -> None:
        """Ends the connections of everybody else."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / "told").open("ab") as told:
            done = subprocess.run(
                [self._programs / program, *arguments],
                check=False,
                stdout=told,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **self._user,  # type: ignore[call-overload]
            )
        if done.returncode:
            said = (self.folder / "told").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{program}: wanted exit 0, got {done.returncode}: {said}")


@contextmanager
def running() -> Iterator[Postgres]:
    """A server until the end of the block. Raises FileNotFoundError where its programs are not installed."""
    found = programs()
    if found is None:
        raise FileNotFoundError("PostgreSQL: wanted initdb on the path or in /usr/lib/postgresql, got none")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has at most 107 bytes
    folder.chmod(0o755)
    server = None
    try:
        server = Postgres(folder, found)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
