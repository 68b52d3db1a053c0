"""Whatever is wrong with a server is one clear message or a counted failure, for real."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, Ended, files_in, kept_run, running, valkeybench
from tests.server.processes import client, wait_until
from tests.server.started import PASSWORD, make_papers, started
from valkeybench.errors import ExitCode
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

    from valkeybench.results.runfile import RunFile
    from valkeybench.server.endpoint import Endpoint

LONG = ("run", *TINY, "--pool", "none", "--duration", "3s", "-o", "run.json")
"""A run whose trial can be disturbed half-way."""


def refused(directory: Path, *words: str) -> str:
    """Run against a server that cannot be used; give the message: exit 3, and nothing kept."""
    ended = valkeybench(
        directory, "run", *TINY, "-o", "run.json", *words, VALKEYBENCH_PASSWORD=PASSWORD
    )
    assert (ExitCode.SERVER, "") == (ended.code, ended.out), ended.err
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err
    assert PASSWORD not in ended.err
    assert [] == files_in(directory)
    return ended.err


@pytest.fixture
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory for what is not the command's."""
    return tmp_path_factory.mktemp("apart")


# --- certificates ---


SIGNED_IN = datetime(2001, 1, 1, tzinfo=UTC)
UNCHECKED = "measure without checking with --insecure"
NEVER = datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.tls
@pytest.mark.parametrize(
    ("fault", "reason", "remedy"),
    [
        (
            "expired",
            "it expired on 2001-02-03 00:00 UTC",
            "renew it on the server; until then, " + UNCHECKED,
        ),
        (
            "not yet valid",
            "it is not valid before 2089-01-01 00:00 UTC",
            "set the clocks, or wait until it is valid; until then, " + UNCHECKED,
        ),
        (
            "wrong host",
            "it is for cache.example, 192.0.2.1, and we asked for 127.0.0.1",
            "write a name it has in the URL, or leave that unchecked with --no-check-host",
        ),
        (
            "wrong authority",
            "self-signed certificate in certificate chain",
            "trust who signed it with --cacert FILE, or " + UNCHECKED,
        ),
        (
            "self-signed",
            "self-signed certificate",
            "trust who signed it with --cacert FILE, or " + UNCHECKED,
        ),
    ],
)
def test_a_certificate_that_is_not_right(
    tmp_path: Path, apart: Path, fault: str, reason: str, remedy: str
) -> None:
    """What it says and what was expected, and the remedy of that fault and no other."""
    dates: dict[str, dict[str, datetime]] = {
        "expired": {"begins": SIGNED_IN, "ends": datetime(2001, 2, 3, tzinfo=UTC)},
        "not yet valid": {"begins": datetime(2089, 1, 1, tzinfo=UTC), "ends": NEVER},
    }
    papers = make_papers(
        apart,
        *(("cache.example", "192.0.2.1") if fault == "wrong host" else ()),
        self_signed=fault == "self-signed",
        **dates.get(fault, {}),
    )
    trusted = papers.ca
    if fault == "wrong authority":
        (apart / "other").mkdir()
        trusted = make_papers(apart / "other").ca
    words = () if fault == "self-signed" else ("--cacert", str(trusted))
    with started(papers=papers) as endpoint:
        said = refused(tmp_path, "--url", endpoint.address, *words)
        assert said.replace("self signed", "self-signed").splitlines() == [
            f"error: {endpoint.address}: the server's certificate is not trusted: {reason}",
            f"  {remedy}",
        ]
        if fault in ("self-signed", "wrong host"):
            # Measured all the same by who says so, and the run says so, too.
            unchecked, code = {
                "self-signed": ("--insecure", "insecure"),
                "wrong host": ("--no-check-host", "host_not_checked"),
            }[fault]
            run = measured(tmp_path, endpoint, *words, unchecked)
            assert code in [warning.code for warning in run.warnings]


def measured(directory: Path, endpoint: Endpoint, *words: str) -> RunFile:
    """Measure a little over a pool."""
    ended = valkeybench(
        directory,
        *("run", *TINY, "--pool", "blocking", "-o", "run.json", "--url", endpoint.address),
        *words,
        VALKEYBENCH_PASSWORD=PASSWORD,
    )
    assert 0 == ended.code, ended.err
    assert PASSWORD not in ended.out + ended.err
    return kept_run(directory / "run.json")


@pytest.mark.tls
def test_a_server_that_wants_a_certificate_of_ours(tmp_path: Path, apart: Path) -> None:
    """None, or one that somebody else signed: that it is this, and which flags give one."""
    papers = make_papers(apart)
    (apart / "other").mkdir()
    theirs = str(make_papers(apart / "other").client)
    with started("tls-auth-clients yes", papers=papers) as endpoint:
        words = ("--url", endpoint.address, "--cacert", str(papers.ca))
        none = refused(tmp_path, *words)
        other = refused(tmp_path, *words, "--cert", theirs)
    assert [
        f"error: {endpoint.address}: the server wants a certificate of ours",
        "  give --cert and --key",
    ] == none.splitlines()
    assert f"{endpoint.address}: the server does not accept our certificate: " in other
    assert "valid and signed by an authority the server knows (--cert, --key)" in other


@pytest.mark.tls
def test_plain_to_a_tls_port(tmp_path: Path, apart: Path) -> None:
    """It says to write valkeys://."""
    with started(papers=make_papers(apart)) as endpoint:
        plain = replace(endpoint, tls=False)
        said = refused(tmp_path, "--url", plain.address)
    assert "write valkeys:// instead of valkey://" in said


def test_tls_to_a_plain_port(tmp_path: Path) -> None:
    """It says to write valkey://."""
    with started() as endpoint:
        secure = replace(endpoint, tls=True)
        said = refused(tmp_path, "--url", secure.address)
    assert "write valkey:// instead of valkeys://" in said


# --- what a user may not, and what is not there ---


def test_a_database_there_is_not(tmp_path: Path) -> None:
    """The server's own words, and where to look."""
    with started() as endpoint:
        said = refused(tmp_path, "--url", replace(endpoint, db=99).address)
    assert "DB index is out of range" in said
    assert "check the user and the database number" in said


def test_a_command_the_user_may_not_use(tmp_path: Path) -> None:
    """Every one is a counted reply_error, and named, though the user may not use INFO either."""
    with started() as endpoint, closing(client(endpoint)) as admin:
        admin.acl_setuser(
            "reader",
            enabled=True,
            passwords=f"+{PASSWORD}",
            keys="*",
            commands=["+@all", "-incr", "-info"],
        )
        run = measured(
            tmp_path,
            endpoint,
            "--command",
            "INCR n",
            "--user",
            "reader",
        )
    (case,) = run.cases
    assert case.summary is not None
    assert ["reply_error"] == list(case.summary.failures)
    assert 0 == case.summary.completed
    (note,) = [warning for warning in run.warnings if warning.code == "error_replies"]
    answered = case.summary.failures["reply_error"]
    assert {"NOPERM INCR": answered} == case.summary.error_replies
    assert f"NOPERM {format_count(answered)} times (incr)" in note.message
    assert "ACL SETUSER <name> +incr" in note.remedy


# --- connections that go away or do not come ---


def test_a_server_that_closes_idle_connections(tmp_path: Path) -> None:
    """redis-py opens them again unasked: no failure, but more connections than the pool has."""
    with started("timeout 1") as endpoint:
        run = measured(
            tmp_path,
            endpoint,
            *("--think", "constant 2500ms", "--duration", "5500ms", "-c", "2", "--warmup", "0"),
        )
    (case,) = run.cases
    (trial,) = case.trials
    assert case.summary is not None
    assert {} == case.summary.failures
    assert trial.server is not None
    assert 2 == case.summary.connections.prewarmed
    assert 1 <= case.summary.connections.opened
    assert trial.server.connections_counted == 2 + case.summary.connections.opened
    (note,) = [warning for warning in run.warnings if warning.code == "idle_timeout"]
    again = case.summary.connections.opened
    assert "idle for 1.00 s (timeout): " in note.message
    assert f": {again} connection" in note.message


@contextmanager
def full_half_way(admin: redis.Redis, endpoint: Endpoint) -> Iterator[None]:
    """Let the server take nobody else in, once the load is at work."""
    before = admin.info("commandstats").get("cmdstat_get", {}).get("calls", 0)
    wait_until(
        lambda: admin.info("commandstats").get("cmdstat_get", {}).get("calls", 0) > before + 5
    )
    with ExitStack() as stack:
        # Others hold what places there are: those who have one keep it.
        others = [stack.enter_context(closing(client(endpoint))) for _ in range(3)]
        assert all(other.ping() for other in others)
        admin.config_set("maxclients", 4)
        yield


@pytest.mark.parametrize("tls", [False, pytest.param(True, marks=pytest.mark.tls)])
def test_a_server_that_is_full_half_way(tmp_path: Path, apart: Path, *, tls: bool) -> None:
    """Counted as max_clients, over TLS as well, where the client only sees a broken line."""
    papers = make_papers(apart) if tls else None
    trust = ("--cacert", str(papers.ca)) if papers else ()
    with started(papers=papers) as endpoint, closing(client(endpoint)) as admin:
        words = (*LONG, "--url", endpoint.address, *trust)
        with (
            running(tmp_path, *words, VALKEYBENCH_PASSWORD=PASSWORD) as run,
            full_half_way(admin, endpoint),
        ):
            ended: Ended = run.ended()
        rejected = admin.info("stats")["rejected_connections"]
    assert 0 == ended.code, ended.err
    kept = kept_run(tmp_path / "run.json")
    (case,) = kept.cases
    assert case.summary is not None
    assert 0 < case.summary.failures["max_clients"] <= rejected
    (trial,) = case.trials
    assert trial.server is not None
    # The three who filled it up came during the run as well.
    opened = case.summary.connections.prewarmed + case.summary.connections.opened
    assert opened + 3 == (trial.server.connections_counted or 0) + rejected
    assert "turned away (rejected_connections)" in " ".join(ended.out.split())
    assert set(case.summary.failures) <= {"max_clients", "reset"}
    assert tls == ("max_clients_by_server" in [warning.code for warning in kept.warnings])
