"""A password typed at the terminal: asked for where there is one, and shown nowhere."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

from tests.cli.commandline import TINY, command, environment, files_in, kept_run, valkeybench
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

TYPED = "canary-7e0f"


def typed(directory: Path, word: str, *words: str) -> tuple[int, str]:
    """Run a command at a terminal, type a word when it asks; give its exit code and the screen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(words),
        cwd=directory,
        env=environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        screen = b""
        while chunk := seen(ours):
            screen += chunk
            if screen.endswith(b"Password: "):
                os.write(ours, f"{word}\n".encode())
        os.close(ours)
    return process.returncode, screen.decode(errors="replace")


def seen(terminal: int) -> bytes:
    """Read what comes to the screen; nothing when all have left it."""
    try:
        return os.read(terminal, 10_000)
    except OSError:  # how Linux says that nobody is there any more
        return b""


def test_a_typed_password_is_used_and_not_echoed(tmp_path: Path, embedded: Endpoint) -> None:
    """The server takes it; the screen and the file have everything but it."""
    assert embedded.password is not None
    word = embedded.password.reveal()
    words = ("run", *TINY, "--pool", "blocking", "--url", embedded.address, "--askpass")
    code, screen = typed(tmp_path, word, *words, "-o", "run.json")
    assert 0 == code, screen
    assert "Password: " in screen
    assert word not in screen
    assert "complete" == kept_run(tmp_path / "run.json").status
    assert word not in (tmp_path / "run.json").read_text(encoding="utf-8")


def test_a_wrong_one_is_refused_and_shown_nowhere(tmp_path: Path, embedded: Endpoint) -> None:
    """The same as for one from a file; the word is on no screen."""
    code, screen = typed(tmp_path, TYPED, "doctor", "--url", embedded.address, "--askpass")
    assert ExitCode.SERVER == code
    assert "refused the user name or password" in " ".join(screen.split())
    assert TYPED not in screen


def test_an_empty_one_is_asked_for_in_vain(tmp_path: Path, embedded: Endpoint) -> None:
    """Enter alone is no password."""
    words = ("run", *TINY, "--url", embedded.address, "--askpass")
    code, screen = typed(tmp_path, "", *words)
    assert ExitCode.USAGE == code
    assert "nothing was typed" in screen
    assert [] == files_in(tmp_path)


def test_nobody_is_asked_where_nobody_sits(tmp_path: Path, embedded: Endpoint) -> None:
    """Behind a pipe it ends at once, with the other ways to give a password."""
    ended = valkeybench(tmp_path, "run", *TINY, "--url", embedded.address, "--askpass")
    assert (ExitCode.USAGE, "") == (ended.code, ended.out)
    assert "--askpass: there is no terminal to ask on" in ended.err
    assert "VALKEYBENCH_PASSWORD" in ended.err
