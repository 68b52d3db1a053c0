"""What cannot be done is refused at once: one clear message, its exit code, and nothing written."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, Ended, external, files_in, kept_run, valkeybench
from tests.server.processes import client
from valkeybench.errors import ExitCode
from valkeybench.server.embedded import pick_free_port

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

CANARY = "canary-5d1e"


def refused(directory: Path, *words: str, code: ExitCode, **variables: str) -> str:
    """Run a command that is refused; give what it says of it."""
    before = files_in(directory)
    ended = valkeybench(directory, *words, **variables)
    assert (code, "") == (ended.code, ended.out), ended.err
    assert "Traceback" not in ended.err
    assert "bug" not in ended.err
    assert before == files_in(directory)
    assert not [path for path in directory.iterdir() if path.name == "results" and path.is_dir()]
    return ended.err


@pytest.mark.parametrize(
    ("words", "place", "said"),
    [
        ("-c 0", "--concurrency", "use 1 or more"),
        ("-c -1", "--concurrency", "use 1 or more"),
        ("-m 0", "--max-conn", "use 1 or more"),
        ("-m ten", "--max-conn", "no whole number"),
        ("--pool blokking", "--pool", "did you mean blocking?"),
        ("--driver thread", "--driver", "did you mean threads?"),
        ("undersised", "SCENARIO", "did you mean undersized?"),
        ("absent.toml", "SCENARIO", "there is no file absent.toml"),
    ],
)
def test_a_word_that_does_not_fit(tmp_path: Path, words: str, place: str, said: str) -> None:
    """The place, the reason and a remedy, on two lines."""
    message = refused(tmp_path, "run", *words.split(), code=ExitCode.USAGE)
    assert message.startswith(f"{place}: ")
    assert said in message
    assert 2 == len(message.splitlines())


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    """Of flags and file together, each with its place."""
    (tmp_path / "mine.toml").write_text(
        '[load]\nconcurency = 5\nduration = "3 parsecs"\n[client]\npool = ["blocking", "none", 7]\n'
    )
    words = ("run", "mine.toml", "-m", "0", "--think", "fast")
    lines = refused(tmp_path, *words, code=ExitCode.USAGE).splitlines()
    assert "5 problems:" == lines[0]
    for place in ("load.concurency", "load.duration", "client.pool[2]", "--max-conn", "--think"):
        assert 1 == sum(f"{place}: " in line for line in lines)
    assert "    did you mean load.concurrency?" in lines


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    """The message names the file and the line."""
    (tmp_path / "mine.toml").write_text('[load]\nduration = "3s\n')
    said = refused(tmp_path, "run", "mine.toml", code=ExitCode.USAGE)
    assert "mine.toml" in said
    assert "line 2" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost", "does not begin with a scheme known here"),
        ("localhost:6379", "does not begin with a scheme known here"),
        ("valkey://localhost:port", "has a port that is no number from 1 to 65535"),
        ("valkey://", "names no host"),
    ],
)
def test_a_url_that_cannot_be(tmp_path: Path, url: str, said: str) -> None:
    """What is wrong with it, and how to write it."""
    message, remedy = refused(tmp_path, "run", "--url", url, code=ExitCode.USAGE).splitlines()
    assert f"--url: {said}" == message
    assert remedy.startswith("  ")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """The address it was looked for at, and what to check."""
    address = f"valkey://127.0.0.1:{pick_free_port()}/0"
    said = refused(tmp_path, "run", "--url", address, code=ExitCode.SERVER)
    assert said.startswith(f"error: {address}: nobody listens there\n  check host and port")


def test_a_wrong_password_is_refused_and_shown_nowhere(tmp_path: Path, embedded: Endpoint) -> None:
    """However it was given: by variable, by file or in the URL."""
    (tmp_path / "password").write_text(f"{CANARY}\n")
    address = embedded.address
    in_url = address.replace("valkey://", f"valkey://:{CANARY}@")
    for words, variables in (
        (("--url", address), {"VALKEYBENCH_PASSWORD": CANARY}),
        (("--url", address, "--password-file", "password"), {}),
        ((), {"VALKEYBENCH_URL": in_url}),
    ):
        said = refused(tmp_path, "run", *words, code=ExitCode.SERVER, **variables)
        assert f"error: {address}: the server refused the user name or password" in said
        assert CANARY not in said


def test_a_server_that_wants_a_password(tmp_path: Path, embedded: Endpoint) -> None:
    """It says how to give one."""
    said = refused(tmp_path, "run", "--url", embedded.address, code=ExitCode.SERVER)
    assert "the server wants a password" in said
    assert "--password-file" in said


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """Give a directory nobody may write to, whoever runs the tests."""
    directory = tmp_path / "unwritable"
    directory.mkdir(mode=0o555)
    if not os.access(directory, os.W_OK):
        return directory
    return type(tmp_path)("/proc/self")  # no permission holds root back; this does


def test_a_result_that_could_not_be_kept_is_not_measured(tmp_path: Path, unwritable: Path) -> None:
    """Before anything starts: no directory, a directory, or none we may write to."""
    for output, said in (
        ("absent/run.json", "there is no directory"),
        (".", "is a directory"),
        (str(unwritable / "run.json"), "run.json cannot be written"),
    ):
        message = refused(tmp_path, "run", *TINY, "-o", output, code=ExitCode.USAGE)
        assert message.startswith("--output: ")
        assert said in message
        assert "trial" not in message


def test_a_results_directory_that_cannot_be_made_is_said_before_the_load(tmp_path: Path) -> None:
    """A file stands where the directory would be."""
    (tmp_path / "results").write_text("mine")
    message = refused(tmp_path, "run", *TINY, code=ExitCode.USAGE)
    assert message.startswith("--output: results")
    assert "trial" not in message


def test_more_connections_than_the_server_takes(tmp_path: Path, embedded: Endpoint) -> None:
    """They are counted before the load: how many are needed, and how many there is room for."""
    words = ("run", *TINY, "-m", "20000", "--pool", "blocking")
    said = refused(tmp_path, *words, code=ExitCode.USAGE, **external(embedded))
    assert "connections: 20002 are needed and the server has room for" in said
    assert "(maxclients 10000)" in said
    assert "raise maxclients on the server" in said
    assert "trial" not in said


def test_a_user_who_may_not_look_can_measure_all_the_same(
    tmp_path: Path, embedded: Endpoint
) -> None:
    """Without INFO, CONFIG and CLIENT the load runs, and what could not be asked is said."""
    with closing(client(embedded)) as admin:
        admin.acl_setuser(
            "blind",
            enabled=True,
            passwords=f"+{CANARY}",
            keys="valkeybench:*",
            commands=["+get", "+set", "+unlink"],
        )
    url = embedded.address.replace("valkey://", "valkey://blind@")
    ended = valkeybench(
        tmp_path,
        *("run", *TINY, "--pool", "blocking", "--url", url, "-o", "run.json"),
        VALKEYBENCH_PASSWORD=CANARY,
    )
    assert 0 == ended.code, ended.err
    run = kept_run(tmp_path / "run.json")
    (case,) = run.cases
    assert case.summary is not None
    assert 0 < case.summary.completed
    assert {} == case.summary.failures
    assert "complete" == run.status
    warned = " ".join(warning.message for warning in run.warnings)
    for command in ("INFO", "CLIENT"):
        assert command in warned
        assert command in ended.out
    (trial,) = case.trials
    assert trial.server is not None
    assert trial.server.connections_counted is None
    assert_shown_nowhere(CANARY, ended, tmp_path)
    with closing(client(embedded)) as admin:
        assert [] == admin.keys("valkeybench:*")


def assert_shown_nowhere(secret: str, ended: Ended, directory: Path) -> None:
    """Look for a secret in all that a command said and kept."""
    assert secret not in ended.out + ended.err
    for name in files_in(directory):
        assert secret not in (directory / name).read_text(encoding="utf-8")
