"""Every command that README and docs show is taken by the command line, and does what it is for.

In two steps, for loads take time. First *every* command is executed in this process, with files
that stand in for those it names, up to the point where it would reach for a server; commands that
need none (report, compare, a gate on a run, scenarios, fleet) are executed to their end. Then those
that load or watch a server really do, in processes of their own, over a short time: each that has a
flag, a scenario or a subcommand that no earlier one has. `NOT_DRIVEN` says what is left out of the
second step (gates of two sides are, too, which tests/cli/test_sides.py runs), and `NOT_OURS` which
shown commands are another program's.
"""

from __future__ import annotations

import importlib
import pkgutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import valkeybench as valkeybench_package
from tests.cli.commandline import valkeybench
from tests.docs.shown import NOT_OURS, Shown, commands_in, ours, shown
from tests.docs.standins import SHORTER, elsewhere, put_files
from valkeybench.cli.app import SUMMARIES, app
from valkeybench.errors import ExitCode
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

NOT_DRIVEN = {
    "--place": "needs a Dask scheduler; tests/load/test_dask.py has one",
    "--measure": "half a minute by design; tests/cli/test_fleet.py measures a shorter storm",
    "--cluster": "starts three servers; tests/cli/test_cluster.py has one such",
    "--pipeline": "tests/load/test_batches.py drives batches",
    "--processes": "tests/load/test_places.py drives several",
    "--disturb": "needs a window of more than a second; tests/cli/test_recovery.py has one",
    "pool-recovery": "the same",
    "connect-storm": "the same",
    "--askpass": "asks at a terminal; tests/cli/test_askpass.py has one",
}
"""Flags, and scenarios, whose commands stop where they would reach for a server, and why."""

_VERDICTS = (ExitCode.DONE, ExitCode.GATE_FAIL, ExitCode.GATE_INCONCLUSIVE)
_DOORS = ("open_place", "open_servers", "open_watched", "other_interpreter")
"""By which a module at the top leaves for a server, or for another Python."""


class Left(BaseException):
    """A command got as far as to reach for a server."""


def driven() -> list[Shown]:
    """Choose what is really run: whatever has a word no earlier command had."""
    known: set[str] = set()
    chosen = []
    for each in ours():
        subcommand, *rest = each.words
        if subcommand not in SHORTER or any(flag in NOT_DRIVEN for flag in rest):
            continue
        first = rest[0] if rest and not rest[0].startswith("-") else ""
        new = {f"{subcommand} {first}", *(word for word in rest if word.startswith("-"))}
        if not new <= known:
            chosen.append(each)
        known |= new
    return chosen


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give an empty directory to be in, out of reach of servers and of jobs of GitHub's."""

    def leave(*_: object, **__: object) -> None:
        raise Left

    for found in pkgutil.iter_modules(valkeybench_package.__path__):
        if not found.ispkg and found.name != "__main__":
            module = importlib.import_module(f"valkeybench.{found.name}")
            for door in set(_DOORS) & set(vars(module)):
                monkeypatch.setattr(module, door, leave)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "VALKEYBENCH_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    """Give somebody else's server."""
    with embedded_server() as endpoint:
        yield endpoint


def test_nothing_shown_is_left_out() -> None:
    """Every command shown is valkeybench's, or another program's for a reason that is told."""
    assert {"valkeybench"} == {each.words[0] for each in shown()} - set(NOT_OURS)
    assert set(SUMMARIES) == {each.words[0] for each in ours() if each.words[0][:1] != "-"}


def test_commands_are_found_as_a_shell_would() -> None:
    """Comments, continued lines, several commands on a line, redirections and jobs are read."""
    text = (
        "```sh\na 'b c' # d\n\ne \\\n  f && g > h\n```\n```text\nno\n```\n"
        "- x\n\n  ```bash\n  i\n  ```\n```yaml\n- run: valkeybench j k\n```\n"
    )
    expected = [("a", "b c"), ("e", "f"), ("g",), ("i",), ("valkeybench", "j", "k")]
    assert expected == list(commands_in(text))


@pytest.mark.parametrize("command", ours(), ids=str)
def test_every_command_shown_is_taken(command: Shown, outside: Path) -> None:
    """Each gets as far as to a server, or to its end with an exit code that is no error."""
    put_files(command.words, outside)
    ends: Any
    try:
        ends = typer.main.get_command(app).main(
            list(command.words), prog_name="valkeybench", standalone_mode=False
        )
    except Left:
        ends = None
        assert needs_a_server(command)
    else:
        assert not needs_a_server(command)

    assert (ends or 0) in (_VERDICTS if command.words[0] == "gate" else (ExitCode.DONE,))


def needs_a_server(command: Shown) -> bool:
    """Tell whether a command loads or looks at a server."""
    subcommand, *rest = command.words
    if subcommand == "gate":
        return not rest[0].endswith(".json")
    return subcommand in (*SHORTER, "doctor") or "--measure" in rest


@pytest.mark.parametrize("command", driven(), ids=str)
def test_what_is_shown_runs(command: Shown, tmp_path: Path, server: Endpoint) -> None:
    """A load or a watch, made short, ends well against a real server."""
    put_files(command.words, tmp_path)
    assert server.password is not None
    word_file = tmp_path / "word-of-the-server.txt"
    word_file.write_text(server.password.reveal(), encoding="utf-8")
    words = elsewhere(command.words, server.address, word_file)

    ended = valkeybench(tmp_path, *words, *SHORTER[command.words[0]])

    expected = _VERDICTS if "--fail-if" in command.words else (ExitCode.DONE,)
    assert ended.code in expected, ended.err
