"""No secret is in anything a run says, keeps, or hands to another process: canaries are looked for.

Passwords, in the environment and in URLs, and private keys of both sides.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

import pytest

from tests.cli.commandline import Ended, command, environment, kept_run, valkeybench
from tests.server.processes import on_linux
from tests.server.started import PASSWORD, make_papers, started
from valkeybench.errors import ExitCode, ScenarioError, ServerError
from valkeybench.report.formats import Format
from valkeybench.scenario.model import ServerSettings
from valkeybench.server.session import open_watched

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODED = "k@n:a/r%y#ü"
"""A password no part of which may stand in a URL as it is."""
IN_URL = "k%40n%3Aa%2Fr%25y%23%C3%BC"
SECRETS = (PASSWORD, ENCODED, IN_URL, "PRIVATE KEY")
TINY = ("--duration", "200ms", "--warmup", "50ms", "--repeats", "1", "-c", "4", "-m", "2")


def family(pid: int) -> Iterator[int]:
    """Name whom a process has started, directly or not, as far as they are still there."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from family(child)


def shown(pid: int, parent: int) -> str:
    """Give all that the system tells of a process: its arguments and its environment.

    One that is not yet what it was started as still shows its parent's, for an instant.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        told = arguments + b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
        is_begun = arguments != Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return ""
    return told.decode(errors="replace") if is_begun else ""


def watched(directory: Path, *words: str, **variables: str) -> tuple[Ended, dict[int, str]]:
    """Run a command with a place of its own for temporary files; watch every child meanwhile."""
    directory.mkdir()
    temporary = directory.with_name(f"{directory.name}-tmp")
    temporary.mkdir()
    seen: dict[int, str] = {}
    with (
        (directory / "out").open("wb") as out,
        (directory / "err").open("wb") as err,
        subprocess.Popen(
            command(words),
            cwd=directory,
            env=environment(variables | {"TMPDIR": str(temporary)}),
            stdout=out,
            stderr=err,
        ) as process,
    ):
        while process.poll() is None:
            for pid in family(process.pid):
                seen[pid] = seen.get(pid, "") + shown(pid, process.pid)
            time.sleep(0.01)
    assert [] == list(temporary.rglob("*"))
    texts = [(directory / name).read_text(encoding="utf-8") for name in ("out", "err")]
    return Ended(process.returncode, *texts), seen


def everything_in(directory: Path) -> str:
    """Read every file under a directory."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def secrets_in(text: str, *more: str) -> list[str]:
    """Name the secrets a text holds."""
    return [secret for secret in (*SECRETS, *more) if secret in text]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory for everything of this module."""
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def measured(place: Path) -> Path:
    """Run over TLS with a client's key and passwords in URL and environment; give its directory."""
    papers = make_papers(place)
    files = (("--cacert", papers.ca), ("--cert", papers.client), ("--key", papers.client))
    flags = [str(word) for pair in files for word in pair]
    run = ("run", *TINY, "--driver", "threads,wire", "--pool", "blocking", *flags, "-o", "run.json")
    me = f'user me on ">{ENCODED}" ~* &* +@all'
    with started("tls-auth-clients yes", me, papers=papers) as endpoint:
        url = endpoint.address.replace("//", f"//me:{IN_URL}@")
        ended, seen = watched(
            place / "run", *run, VALKEYBENCH_URL=url, VALKEYBENCH_PASSWORD=PASSWORD
        )
    assert 0 == ended.code, ended.err
    assert 3 <= len(seen)
    keys = [line for line in papers.client.read_text().splitlines() if len(line) == 64]
    assert keys
    told = "\n".join(seen.values())
    assert "valkeybench.load.process" in told
    assert [] == secrets_in(told, *keys)
    assert [] == secrets_in(everything_in(place / "run"), *keys)
    return place / "run"


@on_linux
@pytest.mark.tls
def test_no_secret_is_in_what_a_run_leaves_and_its_children_show(measured: Path) -> None:
    """Neither output, result file, temporary files, arguments nor environments."""
    assert "complete" == kept_run(measured / "run.json").status


@on_linux
@pytest.mark.tls
@pytest.mark.parametrize("form", list(Format))
def test_no_secret_is_in_a_report(measured: Path, form: Format) -> None:
    """In any format."""
    case = kept_run(measured / "run.json").cases[0].id
    ended = valkeybench(
        measured, "report", "run.json", "--format", form.value, "--case", case, "-o", "-"
    )
    assert 0 == ended.code, ended.err
    assert ended.out
    assert [] == secrets_in(ended.out + ended.err)


@on_linux
@pytest.mark.tls
def test_our_own_server_s_keys_and_password_are_nobody_else_s(place: Path) -> None:
    """They are in a private directory while they are needed, and nowhere after that."""
    run = ("run", *TINY, "--tls", "on", "--mutual-tls", "--pool", "blocking", "--json")
    ended, seen = watched(place / "own", *run, VALKEYBENCH_PASSWORD=PASSWORD)
    assert 0 == ended.code, ended.err
    assert [] == secrets_in("\n".join(seen.values()) + everything_in(place / "own"))


@pytest.mark.parametrize(
    "url",
    [
        f"valkey://me:{IN_URL}@127.0.0.1:1",
        f"REDISS://:{PASSWORD}@127.0.0.1:1/0",
        f"unix://me:{IN_URL}@/no/such.sock",
        f"valkey://127.0.0.1:1/0?password={PASSWORD}",
        f"http://{PASSWORD}@127.0.0.1:1",
        f"valkey://me:{ENCODED}@127.0.0.1:1",
    ],
)
def test_a_connection_that_fails_does_not_say_the_password(tmp_path: Path, url: str) -> None:
    """Whatever is wrong with the URL, or with the server it names."""
    ended = valkeybench(tmp_path, "run", *TINY, "--url", url)
    assert ended.code in (ExitCode.USAGE, ExitCode.SERVER)
    assert ended.err
    assert [] == secrets_in(ended.out + ended.err)


PLACES = (
    "{scheme}://me:{word}@127.0.0.1:1/0",
    "{scheme}://:{word}@127.0.0.1:1",
    "{scheme}://{word}@127.0.0.1:1",
    "{scheme}://me:{word}@[::1]:1/x",
    "{scheme}://me:{word}@/no/such.sock",
    "{scheme}://127.0.0.1:1/?password={word}",
    "{scheme}://127.0.0.1:1/0#{word}",
    "{scheme}://127.0.0.1:{word}",
    "{scheme}:{word}@127.0.0.1:1",
    "{scheme}:x://:{word}@127.0.0.1:1",
)
"""Where in a URL a password may stand, or be put by mistake."""
SCHEMES = ("valkey", "valkeys", "redis", "REDISS", "unix", "http", "")


def spellings(word: str) -> list[str]:
    """Write a password as it may come to stand in a URL, rightly encoded or not."""
    encoded = quote(word, safe="")
    every = "".join(f"%{byte:02x}" for byte in word.encode())
    return [word, encoded, encoded.lower(), every, every.upper(), quote(encoded, safe=""),
            quote_plus(word), f"%zz{word}", f"%ff{encoded}", f"{word}@", f" {word}"]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", PLACES)
def test_no_spelling_of_a_password_is_in_a_message(scheme: str, place: str) -> None:
    """Of every scheme, wherever it stands: neither in what is said nor in a traceback of it."""
    for word in (ENCODED, PASSWORD, f"{PASSWORD} +/"):
        for spelling in spellings(word):
            settings = ServerSettings(url=place.format(scheme=scheme, word=spelling))
            with (
                pytest.raises((ScenarioError, ServerError)) as caught,
                open_watched(settings, maxclients_needed=1, tls=(False,)),
            ):
                pass
            told = "".join(traceback.format_exception(caught.value))
            shown_as = {word, spelling, unquote(spelling), quote(word, safe="")}
            assert [] == secrets_in(told + repr(caught.value), *shown_as)


def test_a_crash_does_not_show_the_password(tmp_path: Path) -> None:
    """Killed by a signal that dumps every stack: what held it is not in the dump."""
    crash = "import os, valkeybench.workflow as w; w.make_plan = lambda *_, **__: os.abort()\n"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", f"{crash}{RUN_MAIN}", "run"],
        cwd=tmp_path,
        env=environment({"VALKEYBENCH_URL": f"valkey://me:{IN_URL}@h", **HIDDEN}),
        check=False,
        capture_output=True,
        text=True,
    )
    assert -signal.SIGABRT == done.returncode
    assert "Fatal Python error: Aborted" in done.stderr
    assert [] == secrets_in(done.stdout + done.stderr)


RUN_MAIN = "from valkeybench.cli.app import main\nmain()\n"
HIDDEN = {"VALKEYBENCH_PASSWORD": PASSWORD, "VALKEYBENCH_KEY_PASSWORD": PASSWORD}
BUG = """\
import valkeybench.workflow as workflow
def make_plan(scenario, **_):
    raise RuntimeError(f"{scenario!r} {scenario.server}")
workflow.make_plan = make_plan
from valkeybench.cli.app import main
main()
"""


@pytest.mark.parametrize("variables", [{}, {"VALKEYBENCH_TRACE": "1"}])
def test_a_bug_of_ours_does_not_say_the_password(tmp_path: Path, variables: dict[str, str]) -> None:
    """Not even in a traceback of what held it."""
    told = {"VALKEYBENCH_URL": f"valkey://me:{IN_URL}@h", "VALKEYBENCH_PASSWORD": PASSWORD}
    done = subprocess.run(
        [sys.executable, "-c", BUG, "run"],
        cwd=tmp_path,
        env=environment(told | variables),
        check=False,
        capture_output=True,
        text=True,
    )
    assert ExitCode.BUG == done.returncode
    assert "RuntimeError: Scenario(" in done.stderr
    assert ("Traceback" in done.stderr) == bool(variables)
    assert [] == secrets_in(done.stdout + done.stderr)


def test_a_scenario_is_shown_without_its_passwords(tmp_path: Path) -> None:
    """The file itself, too, which `scenarios` prints."""
    text = f"[server]\nurl = 'valkey://me:{IN_URL}@h:1/0'\npassword = '{PASSWORD}'\n"
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    ended = valkeybench(tmp_path, "scenarios", "mine.toml")
    assert 0 == ended.code, ended.err
    assert "valkey://h:1/0" in ended.out
    assert [] == secrets_in(ended.out + ended.err)


def test_a_password_written_with_escapes_is_not_shown_either(tmp_path: Path) -> None:
    """Where the text cannot be masked it is not printed."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in PASSWORD)
    (tmp_path / "mine.toml").write_text(f'[server]\npassword = "{escaped}"\n', encoding="utf-8")
    ended = valkeybench(tmp_path, "scenarios", "mine.toml")
    assert 0 == ended.code, ended.err
    assert escaped not in ended.out
    assert "not shown" in ended.out


def test_the_canaries_would_be_found(tmp_path: Path) -> None:
    """What looks for them sees this very process's environment, and files of any kind."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"\xff" + PASSWORD.encode())
    assert [PASSWORD] == secrets_in(everything_in(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env={"VALKEYBENCH_URL": IN_URL}, stdin=subprocess.PIPE
    ) as child:
        told = shown(child.pid, os.getpid()) if sys.platform == "linux" else IN_URL
        assert child.pid in set(family(os.getpid())) or sys.platform != "linux"
        child.communicate(b"\n")
    assert [IN_URL] == secrets_in(told)
