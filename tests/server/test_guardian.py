"""The guardian by itself, watching over stand-ins for a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import is_running, shown_by_ps, wait_until
from valkeybench.server import guardian

if TYPE_CHECKING:
    from pathlib import Path

IDLE = "echo up; exec sleep 1000"


class Guarded:
    """A guardian that has been told to run a shell script, and what it said first."""

    def __init__(self, place: Path, script: str, parent: int | None = None) -> None:
        binary = place / "server"
        binary.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        binary.chmod(0o700)
        home = place / "home"
        home.mkdir()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", guardian.__file__),
                *(str(parent or os.getpid()), str(home), str(binary), "-"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self.home = home

    def tell(self, text: bytes) -> None:
        """Say something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)

    def hear(self) -> bytes:
        """Hear one line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def started(self) -> int:
        """Have it start the server; give the server's process id."""
        self.tell(b"port 1\n\n")
        word, pid, directory = self.hear().split()
        assert (b"started", str(self.home).encode()) == (word, os.path.dirname(directory))  # noqa: PTH120 - bytes have no path
        return int(pid)

    def hang_up(self) -> None:
        """Have nothing more to say to it."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> bytes:
        """Hear what it says until it ends, without telling it to."""
        assert self.process.stdout is not None
        last_words = self.process.stdout.read()
        self.process.stdout.close()
        self.hang_up()
        self.process.wait()
        assert [] == list(self.home.iterdir())
        return last_words


@pytest.mark.parametrize("order", [b"\n", None])
def test_told_to_stop_it_stops_the_server(tmp_path: Path, order: bytes | None) -> None:
    """A line or the end of its input: the server goes, then the directory, then the guardian."""
    guarded = Guarded(tmp_path, IDLE)
    pid = guarded.started()
    if order is None:
        guarded.hang_up()
    else:
        guarded.tell(order)
    assert guarded.ended().startswith(b"stopped\n")
    assert not is_running(pid)
    assert 0 == guarded.process.returncode


def test_the_death_of_the_server_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """Nobody has to ask; the end of the log is told, not all of it."""
    guarded = Guarded(tmp_path, "cat; seq 1 5000; exit 7")
    guarded.started()
    last_words = guarded.ended()
    assert last_words.startswith(b"died\n")
    assert last_words.endswith(b"\n4999\n5000\n")
    assert len(last_words) < 5000


def test_the_server_gets_its_configuration_on_its_input(tmp_path: Path) -> None:
    """Its one argument says so, and its input has an end."""
    guarded = Guarded(tmp_path, "echo $# $1; cat")
    guarded.tell(b'port 1\nsave ""\n\n')
    assert guarded.hear().startswith(b"started ")
    assert b'died\n1 -\nport 1\nsave ""\n' == guarded.ended()


def test_files_lie_where_the_server_starts_and_are_nobody_elses(tmp_path: Path) -> None:
    """They are there before it is, byte for byte, and gone when it is."""
    content = bytes(range(256)) * 1000
    guarded = Guarded(tmp_path, "ls -ld . *; cksum key.pem; cat")
    guarded.tell(b"file %d key.pem\n" % len(content) + content + b"file 0 none\nport 1\n\n")
    assert guarded.hear().startswith(b"started ")
    died, *listing, sums, configuration = guarded.ended().splitlines()

    assert [b"drwx------", b"-rw-------", b"-rw-------"] == [line.split()[0] for line in listing]
    check = subprocess.run(["cksum"], input=content, check=True, capture_output=True)  # noqa: S607 - POSIX has it
    assert (b"died", check.stdout.strip() + b" key.pem") == (died, sums)
    assert b"port 1" == configuration


@pytest.mark.parametrize("half", [b"file 10 key.pem\n12345", b"file 1 key.pem\n1port 1\n"])
def test_half_an_order_leaves_no_file(tmp_path: Path, half: bytes) -> None:
    """A parent that died while handing over a key has nothing written and nothing started."""
    guarded = Guarded(tmp_path, f"touch {tmp_path}/started; {IDLE}")
    guarded.tell(half)
    guarded.hang_up()
    assert b"" == guarded.ended()
    assert not (tmp_path / "started").exists()


def test_an_order_to_stop_may_come_at_once(tmp_path: Path) -> None:
    """What follows the configuration immediately is heard as well."""
    guarded = Guarded(tmp_path, IDLE)
    guarded.tell(b"port 1\n\n\n")
    assert guarded.hear().startswith(b"started ")
    assert guarded.ended().startswith(b"stopped\n")


def test_half_a_configuration_starts_nothing(tmp_path: Path) -> None:
    """A parent that died while speaking gets no server without a password."""
    guarded = Guarded(tmp_path, f"touch {tmp_path}/started; {IDLE}")
    guarded.tell(b"port 1\n")
    guarded.hang_up()
    assert b"" == guarded.ended()
    assert not (tmp_path / "started").exists()


def test_a_server_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    """Whoever ignores being asked is not asked twice, nor are its children."""
    guarded = Guarded(tmp_path, f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/child; wait")
    pid = guarded.started()
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    guarded.tell(b"\n")
    assert guarded.ended().startswith(b"stopped\n")
    assert not is_running(pid)
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    wait_until(lambda: not is_running(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_guardian_told_to_go_takes_the_server_along(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The signals that mean leave are obeyed, after clearing up."""
    guarded = Guarded(tmp_path, IDLE)
    pid = guarded.started()
    guarded.process.send_signal(number)
    assert b"" == guarded.ended()
    assert not is_running(pid)


def test_it_leaves_when_its_parent_is_another(tmp_path: Path) -> None:
    """A parent that died before it was looked at is noticed, though the input stays open."""
    guarded = Guarded(tmp_path, IDLE, parent=1_000_000_000)
    pid = guarded.started()
    guarded.ended()
    assert not is_running(pid)


def test_a_program_that_cannot_be_run_is_reported(tmp_path: Path) -> None:
    """The system's reason is told, and the directory is gone."""
    guarded = Guarded(tmp_path, IDLE)
    (tmp_path / "server").unlink()
    guarded.tell(b"port 1\n\n")
    assert guarded.hear().startswith(b"failed [Errno 2] No such file")
    guarded.ended()


def test_told_to_it_kills_the_server_and_starts_it_anew(tmp_path: Path) -> None:
    """The same command with the same configuration in the same directory, as another process."""
    guarded = Guarded(tmp_path, f"cat >> {tmp_path}/read; {IDLE}")
    first = guarded.started()

    def read() -> str:
        path = tmp_path / "read"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    wait_until(lambda: "port 1\n" == read())
    guarded.tell(b"kill\n")
    assert b"killed\n" == guarded.hear()
    assert not is_running(first)
    [home] = guarded.home.iterdir()

    guarded.tell(b"start\n")
    word, pid, directory = guarded.hear().split()
    assert (b"started", str(home).encode()) == (word, directory)
    assert first != int(pid)
    assert is_running(int(pid))
    wait_until(lambda: "port 1\nport 1\n" == read())
    guarded.tell(b"\n")
    assert guarded.ended().startswith(b"stopped\n")
    assert not is_running(int(pid))


def test_a_guardian_whose_server_is_away_goes_as_well(tmp_path: Path) -> None:
    """The end of its input between a kill and a start leaves nothing behind, and starts nothing."""
    guarded = Guarded(tmp_path, IDLE)
    guarded.started()
    guarded.tell(b"kill\n")
    assert b"killed\n" == guarded.hear()
    guarded.hang_up()
    assert guarded.ended().startswith(b"stopped\n")


def test_told_to_it_stops_the_server_where_it_is_and_lets_it_go_on(tmp_path: Path) -> None:
    """Its state says so; and a guardian that goes meanwhile leaves no stopped process behind."""
    guarded = Guarded(tmp_path, IDLE)
    pid = guarded.started()
    guarded.tell(b"pause\n")
    assert b"paused\n" == guarded.hear()
    wait_until(lambda: shown_by_ps("state", pid).startswith("T"))
    guarded.tell(b"resume\n")
    assert b"resumed\n" == guarded.hear()
    wait_until(lambda: not shown_by_ps("state", pid).startswith("T"))

    guarded.tell(b"pause\n")
    assert b"paused\n" == guarded.hear()
    guarded.hang_up()
    assert guarded.ended().startswith(b"stopped\n")
    assert not is_running(pid)
