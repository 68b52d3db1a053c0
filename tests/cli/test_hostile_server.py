"""A server may say anything: what is shown of it steers no terminal, and nothing ends in a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, kept_run, valkeybench
from tests.load.fakes import VALUE, Answer, fake_server, usual
from valkeybench.cli.ending import say_error
from valkeybench.errors import ExitCode, Problem, ScenarioError, ServerError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.load.fakes import Words

STEERS = "\x1b[2J\x1b]0;owned\x07\u202e"
"""Clears the screen, names the window, rings, and turns a line about."""
ODD = {
    "redis_version": STEERS, "valkey_version": STEERS, "server_mode": STEERS, "role": STEERS,
    "process_id": "-1", "maxclients": "1e300", "connected_clients": "-5", "used_memory": "nan",
    "total_error_replies": "1", f"errorstat_{STEERS}": "count=5", "used_cpu_user": "1e300",
    "total_connections_received": "-9", "cmdstat_get": STEERS,
}  # fmt: skip


def strange(words: Words, number: int) -> Answer:
    """Answer as no server would; every other connection's commands with an error."""
    if words[0] == "INFO":
        text = "".join(f"{name}:{value}\r\n" for name, value in ODD.items()).encode()
        return Answer(reply=b"$%d\r\n%b\r\n" % (len(text), text))
    if words[0] == "GET":
        return Answer(reply=f"-WEIRD{STEERS} x\r\n".encode()) if number % 2 else VALUE
    return usual(words, number)


def refusing(_: Words, __: int) -> Answer:
    """Answer everything with an error."""
    return Answer(reply=f"-ERR {STEERS}\r\n".encode())


def steering(text: str) -> set[str]:
    """Give the signs in a text that steer a terminal."""
    return set(STEERS) & set(text) & {"\x1b", "\x07", "\u202e"}


def test_a_run_against_a_server_of_strange_words_is_kept(tmp_path: Path) -> None:
    """Numbers no server has are unknown, names are spelled out, and the file is valid."""
    with fake_server(strange) as server:
        url = f"valkey://127.0.0.1:{server.endpoint.port}"
        ended = valkeybench(tmp_path, "run", *TINY, "--url", url, "-o", "run.json")
    assert ExitCode.DONE == ended.code, ended.err
    assert set() == steering(ended.out + ended.err)
    run = kept_run(tmp_path / "run.json")
    server_record = run.cases[0].trials[0].server
    assert server_record is not None
    assert (None, None) == (server_record.after.connected_clients, server_record.after.cpu_ns)


def test_a_server_that_refuses_in_strange_words_is_quoted_without_harm(tmp_path: Path) -> None:
    """The message is one of ours, with its exit code."""
    with fake_server(refusing) as server:
        url = f"valkey://127.0.0.1:{server.endpoint.port}"
        ended = valkeybench(tmp_path, "run", *TINY, "--url", url)
    assert ExitCode.SERVER == ended.code, ended.err
    assert set() == steering(ended.out + ended.err)
    assert "owned" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "error",
    [
        ServerError(f"it says {STEERS}", remedy=STEERS),
        ScenarioError([Problem(STEERS, f"one\n  {STEERS}", STEERS), Problem("b", "two")]),
    ],
)
def test_a_message_steers_no_terminal(
    error: ServerError | ScenarioError, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is quoted in it; its lines stay lines."""
    say_error(error)
    said = capsys.readouterr().err
    assert set() == steering(said)
    assert "\\x1b[2J" in said
