"""Database servers of their own, each in a folder that its user may enter, that can be put down and up."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster.left import of


class Server:
    """``url`` is a study's storage; ``user`` the one that the server runs as, ``program`` what is asked for."""

    user: str
    program: str

    def __init__(self, folder):
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        shutil.chown(folder, self.user, self.user)
        self.create()

    def run(self, *words, **how):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        return subprocess.run(
            ["runuser", "-u", self.user, "--", *map(str, words)], check=True, timeout=90, **{**quiet, **how}
        )


class Postgres(Server):
    user, program, driver = "postgres", "/usr/lib/postgresql/*/bin/pg_ctl", "psycopg2"

    def create(self):
        self.programs = sorted(Path("/").glob(self.program[1:]))[-1].parent
        self.run(self.programs / "initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", self.data)
        self.up()
        self.run(self.programs / "createdb", "--host=127.0.0.1", f"--port={self.port}", "study")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/study"

    def up(self):
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1"
        self.run(self.programs / "pg_ctl", "-D", self.data, "-l", self.log, "-w", "-o", options, "start")

    def down(self):
        self.run(self.programs / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")


class MariaDB(Server):
    """Speaks MySQL's protocol, and is what Debian has of it."""

    user, program, driver = "mysql", "/usr/sbin/mariadbd", "pymysql"

    def create(self):
        plain = ["--no-defaults", f"--datadir={self.data}"]
        self.run("mariadb-install-db", *plain, "--auth-root-authentication-method=normal", "--skip-test-db")
        self.up()
        self._ask("create database study; create user lungseg@'127.0.0.1'; grant all on study.* to lungseg@'127.0.0.1'")
        self.url = f"mysql://lungseg@127.0.0.1:{self.port}/study"

    def _ask(self, words):
        self.run("mariadb", "--no-defaults", f"--socket={self.folder}/socket", "--user=root", "-e", words)

    def up(self):
        options = [f"--datadir={self.data}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        options += [f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", "--skip-name-resolve=0"]
        words = ["runuser", "-u", self.user, "--", self.program, "--no-defaults", *options]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._ask("select 1")
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.2)

    def down(self):
        deadline = time.monotonic() + 20
        while (left := of(self.folder)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        self.process.wait()


@contextlib.contextmanager
def served(kind):
    """One of ``kind``; nothing of it is left."""
    if os.geteuid() != 0 or not list(Path("/").glob(kind.program[1:])):
        pytest.skip(
            f"{kind.__name__} is started by root, where it is installed: apt-get install postgresql mariadb-server"
        )
    pytest.importorskip(kind.driver)
    folder = Path(f"/tmp/lungseg-{kind.user}-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        server = kind(folder)
        yield server
        with contextlib.suppress(subprocess.CalledProcessError):
            server.down()
    finally:
        left = of(folder)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder)
    assert not left
