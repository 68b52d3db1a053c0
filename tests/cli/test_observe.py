"""`observe` as a user runs it: what is printed, what is kept, and how it ends."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import external, files_in, running, valkeybench
from tests.server.processes import client, wait_until
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

BRIEF = ("observe", "--for", "400ms", "--interval", "100ms")


def test_what_is_seen_is_shown_and_kept(tmp_path: Path, embedded: Endpoint) -> None:
    """The report on standard error, JSON on standard output and in the file, no password."""
    with closing(client(embedded)) as web:
        web.client_setname("web")
        ended = valkeybench(tmp_path, *BRIEF, "--json", "-o", "seen.json", **external(embedded))
    assert ExitCode.DONE == ended.code, ended.err
    document: dict[str, Any] = json.loads(ended.out)
    assert ended.out == (tmp_path / "seen.json").read_text(encoding="utf-8")
    assert (1, "observation", "complete") == (
        document["schema_version"],
        document["kind"],
        document["status"],
    )
    held = {each["application"]["name"]: each["held"] for each in document["applications"]}
    assert 1 == held["web"]
    assert 0 < document["watch"]["core_share"] <= 0.01
    assert "Who uses which connections" in ended.err
    assert "watching its clients for 400 ms" in ended.err
    assert embedded.password is not None
    assert embedded.password.reveal() not in ended.out + ended.err


def test_quiet_says_only_who_needs_fewer(tmp_path: Path, embedded: Endpoint) -> None:
    """One sentence where nobody does, and nothing is kept."""
    ended = valkeybench(tmp_path, *BRIEF, "-q", **external(embedded))
    assert (0, "") == (ended.code, ended.err)
    assert ["Nobody was seen to hold many more connections than they use."] == [
        line.strip() for line in ended.out.splitlines() if line.strip()
    ]
    assert [] == files_in(tmp_path)


def test_ctrl_c_ends_it_with_a_report(tmp_path: Path, embedded: Endpoint) -> None:
    """Exit code 130, and what was seen until then."""
    words = ("observe", "--for", "10m", "--interval", "100ms", "--json")
    with (
        running(tmp_path, *words, **external(embedded)) as observing,
        closing(client(embedded)) as admin,
    ):
        observing.wait_for("watching its clients for 10 min")
        calls = listings(admin.info("commandstats"))
        wait_until(lambda: listings(admin.info("commandstats")) >= calls + 3)
        observing.signal(signal.SIGINT)
        ended = observing.ended()
    assert ExitCode.INTERRUPTED == ended.code, ended.err
    assert "interrupted" == json.loads(ended.out)["status"]
    assert "looks (interrupted)" in ended.err


def listings(stats: dict[str, Any]) -> int:
    """Count the CLIENT LISTs a server has answered."""
    return int(stats.get("cmdstat_client|list", {"calls": 0})["calls"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--url: observe looks at a server that is in use, and none is named"),
        (("--url", "valkey://h", "--cluster"), "--cluster: one node is observed at a time"),
        (("--url", "valkey://h", "--tls", "on"), "--tls: TLS is asked for, and the URL names"),
        (("--url", "valkey://h", "--for", "soon"), "--for: »soon« is no duration"),
        (("--url", "valkey://h", "--interval", "1ms"), "--interval: »1ms« is too short"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Before anybody is contacted."""
    ended = valkeybench(tmp_path, "observe", *words)
    assert ExitCode.USAGE == ended.code
    assert ended.err.startswith(said)


def test_a_user_who_may_not_look_ends_with_3(tmp_path: Path, embedded: Endpoint) -> None:
    """And is told the line that would allow it."""
    with closing(client(embedded)) as admin:
        admin.acl_setuser("blind", enabled=True, reset=True, nopass=True, commands=["+ping"])
        url = embedded.address.replace("//", "//blind:any@")
        ended = valkeybench(tmp_path, *BRIEF, "--url", url)
        admin.acl_deluser("blind")
    assert ExitCode.SERVER == ended.code
    assert "may not use CLIENT LIST" in ended.err
    assert "ACL SETUSER blind +client|list" in ended.err
