"""A server that is not ours is loaded only by consent, and a dry run does nothing to it.

The server is on loopback, as everything tests talk to; the program is made to take loopback for
another machine.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import (
    TINY,
    Ended,
    environment,
    external,
    files_in,
    kept_run,
    valkeybench,
)
from tests.server.processes import client
from tests.server.started import started
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

FOR_OTHERS = """\
import valkeybench.server.endpoint as endpoint
endpoint.is_loopback = lambda host: False
from valkeybench.cli.app import main
main()
"""
RUN = ("run", *TINY, "--pool", "blocking", "-o", "run.json")
QUESTION = "Load it all the same?"


@pytest.fixture(scope="module")
def in_use() -> Iterator[Endpoint]:
    """Give a server somebody else is connected to."""
    with started() as endpoint, somebody(endpoint):
        yield endpoint


@contextmanager
def somebody(endpoint: Endpoint) -> Iterator[None]:
    """Be another client, by the name of web."""
    with closing(client(endpoint)) as other:
        other.client_setname("web")
        yield


def far_away(directory: Path, *words: str, **variables: str) -> Ended:
    """Run a command that takes every server for another machine's; nobody is at a terminal."""
    done = subprocess.run(
        [sys.executable, "-c", FOR_OTHERS, *words],
        cwd=directory,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def commands_sent(endpoint: Endpoint) -> set[str]:
    """Name every command the server was ever sent."""
    with closing(client(endpoint)) as asking:
        stats = asking.info("commandstats")
    return {name.removeprefix("cmdstat_") for name in stats}


@pytest.mark.parametrize("words", [RUN, ("size", "-c", "4", "-o", "run.json")])
def test_a_server_in_use_is_not_loaded_unasked(
    tmp_path: Path, in_use: Endpoint, words: tuple[str, ...]
) -> None:
    """Exit code 2, who uses it, and how to say yes; nothing is written, there or here."""
    ended = far_away(tmp_path, *words, **external(in_use))
    assert ExitCode.USAGE == ended.code, ended.err
    assert "1 other client is connected: 1 × web from 127.0.0.1" in ended.err
    assert "add --yes" in ended.err
    assert "Traceback" not in ended.err
    assert [] == files_in(tmp_path)
    assert not commands_sent(in_use) & {"set", "get", "mset", "unlink", "del"}


def test_a_yes_is_no_setting_of_a_scenario(tmp_path: Path) -> None:
    """It is said anew for every run."""
    (tmp_path / "mine.toml").write_text("yes = true\n", encoding="utf-8")
    assert ExitCode.USAGE == valkeybench(tmp_path, "run", "mine.toml").code


def test_more_than_half_of_the_connections_left_are_not_taken_unasked(tmp_path: Path) -> None:
    """The number that would be is said, and the half that is allowed."""
    with started("maxclients 20") as endpoint:
        many = far_away(tmp_path, *RUN, "-c", "9", "-m", "9", **external(endpoint))
    assert ExitCode.USAGE == many.code, many.err
    assert "11 connections would be opened of the 20 it has left" in many.err


@pytest.mark.parametrize(("answer", "code"), [("n", ExitCode.USAGE), ("y", ExitCode.DONE)])
def test_whoever_sits_there_is_asked(tmp_path: Path, answer: str, code: ExitCode) -> None:
    """At a terminal, with what speaks against it; yes goes on, anything else does not."""
    with started() as endpoint, somebody(endpoint):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", FOR_OTHERS, *RUN],
            cwd=tmp_path,
            env=environment({"TERM": "xterm", **external(endpoint)}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            screen = answered(ours, answer)
    assert code == process.returncode, screen
    assert "1 × web from 127.0.0.1" in screen
    assert (code == ExitCode.DONE) == (files_in(tmp_path) == ["run.json"])


def answered(terminal: int, answer: str) -> str:
    """Answer the question when it comes; give all that was on the screen."""
    screen, was_answered = b"", False
    while True:
        try:
            chunk = os.read(terminal, 10_000)
        except OSError:  # how Linux says that nobody is there any more
            break
        if not chunk:
            break
        screen += chunk
        if QUESTION.encode() in screen and not was_answered:
            os.write(terminal, f"{answer}\n".encode())
            was_answered = True
    os.close(terminal)
    return screen.decode(errors="replace")


def test_a_dry_run_against_a_server_only_asks_it(tmp_path: Path) -> None:
    """Nothing is written, and only questions are sent; with a yes, a run then does what it said."""
    with started() as endpoint, somebody(endpoint):
        load = ("run", *TINY, "--command", "GET k:{0..99}", "--value-size", "50")
        ended = far_away(tmp_path, *load, "--dry-run", **external(endpoint))
        sent = commands_sent(endpoint)
        assert 0 == ended.code, ended.err
        assert [] == files_in(tmp_path)
        done = far_away(tmp_path, *load, "--yes", "-o", "run.json", **external(endpoint))
        assert 0 == done.code, done.err
    said = " ".join(ended.out.replace("│", " ").replace("┃", " ").split())
    data_set = kept_run(tmp_path / "run.json").data_set
    assert data_set is not None
    assert 100 == data_set.keys
    assert "before the load 100 keys" in said
    assert "2 cases no pool · blocking 2" in said
    assert "1 × web from 127.0.0.1" in said
    assert "add --yes" in said
    assert sent <= {
        *("auth", "hello", "ping", "info", "config|get", "command|info"),
        *("client|list", "client|id", "client|setname", "client|setinfo"),
    }


def test_a_dry_run_of_our_own_server_starts_none(tmp_path: Path) -> None:
    """Even where there is no server to start."""
    ended = valkeybench(tmp_path, "run", *TINY, "--dry-run", VALKEYBENCH_SERVER="/nowhere")
    assert 0 == ended.code, ended.err
    assert "was not started" in ended.out
    searched = valkeybench(tmp_path, "size", "-c", "4", "--dry-run", VALKEYBENCH_SERVER="/nowhere")
    assert 0 == searched.code, searched.err
    assert "some of 1, 2, 3, 4" in searched.out
    assert [] == files_in(tmp_path)


@pytest.mark.parametrize("flag", ["--json", "--output=x.json"])
def test_a_dry_run_has_no_result_to_keep(tmp_path: Path, flag: str) -> None:
    """Whoever asks for one hears so."""
    ended = valkeybench(tmp_path, "run", "--dry-run", flag)
    assert ExitCode.USAGE == ended.code
    assert "a dry run has no result" in ended.err
