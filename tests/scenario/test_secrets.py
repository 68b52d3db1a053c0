"""What is secret is read where it should be, and shown nowhere."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenario.reading import problems, read
from valkeybench.scenario.model import plain
from valkeybench.scenario.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_password_file_gives_its_first_line(tmp_path: Path) -> None:
    """Its first line to the last blank, without the line's end; what follows is not read."""
    path = tmp_path / "word"
    path.write_bytes(" hünter 2 \u2028\r\nsecond\n".encode())

    scenario = read(flags={"password_file": str(path)})
    assert Secret(" hünter 2 \u2028") == scenario.server.password
    assert Secret(" hünter 2 \u2028") == read(f"[server]\npassword_file = '{path}'").server.password


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its first line is empty"),
        (b"\nx", "its first line is empty"),
        (b"\xff\n", "it cannot be read as text"),
    ],
)
def test_a_password_file_without_a_password_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """An empty first line is no password, and neither are bytes."""
    path = tmp_path / "word"
    path.write_bytes(content)
    assert [
        f"--password-file: {reason}; give the path of a file whose first line is the password"
    ] == problems(flags={"password_file": str(path)})


@pytest.mark.parametrize(
    "toml",
    [
        "[server]\npassword = ['hunter2']",
        "[server.password]\nhunter2 = 'hunter2'",
        "[server]\npasword = 'hunter2'",
        "password = 'hunter2'",
        "server = 'valkey://u:hunter2@h'",
        "[server]\nurl = ['valkey://u:hunter2@h']",
        "[server]\nurl = 'valkey://u:hunter2@h'\nhost = 'u:hunter2@h'\nport = 0",
        "[server]\nurl = {u = 'hunter2'}",
        "[server]\npassword_file = 'hunter2'",
        "[server]\nssl_password_file = 'hunter2'",
        "[load]\ncommands = ['AUTH hunter2', 'HELLO 3 AUTH u hunter2']",
        "[load]\ncommands = ['CONFIG SET requirepass hunter2']",
        "[load]\ncommands = ['GET {x} hunter2']",
        "[load]\nconcurrency = [['hunter2'], {a = 'hunter2'}]",
    ],
)
def test_no_message_holds_a_secret(toml: str) -> None:
    """Whatever is wrong with a place where a password may stand, its text is not repeated."""
    assert "hunter2" not in "".join(problems(toml))


def test_no_scenario_shows_a_secret() -> None:
    """Printing what was read shows neither the password nor the URL that may hold one."""
    scenario = read(
        "[server]\nurl = 'valkey://u:hunter2@h'\npassword = 'hunter3'",
    )
    assert "valkey://u:hunter2@h" == scenario.server.url
    assert "hunter" not in f"{scenario!r} {scenario} {scenario.server!r} {scenario.server}"


def test_a_secret_shows_stars() -> None:
    """However it is written out, only `reveal` gives the word."""
    secret = Secret("hunter2")

    assert "hunter2" == secret.reveal()
    assert {"***"} == {repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{secret:}"}
    assert "[***]" == f"{[secret]}"
    assert None is plain(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_compare_by_their_word() -> None:
    """Equal scenarios are equal, secrets and all; a secret is not its word."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_handed_over_by_accident(duplicate: Callable[[Any], Any]) -> None:
    """What would pickle it, to a file or another process, is refused."""
    with pytest.raises(TypeError, match="on purpose"):
        duplicate(Secret("hunter2"))
