"""Client libraries are compared in one run, whatever each has of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import Ended, kept_run, valkeybench
from valkeybench.measurement.metrics import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.results.runfile import CaseRecord, RunFile

SHORT = ("--duration", "200ms", "--warmup", "50ms", "--repeats", "1", "-c", "4", "-m", "2")
ALL = ("--client", "redis-py,valkey-py,valkey-glide", "--driver", "threads,asyncio")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory in which the run takes place."""
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="module")
def ended(directory: Path) -> Ended:
    """Compare every client under both drivers."""
    asked = (*SHORT, *ALL, "--pool", "blocking", "--think", "1ms", "-o", "run.json")
    return valkeybench(directory, "run", *asked)


@pytest.fixture(scope="module")
def run(directory: Path, ended: Ended) -> RunFile:
    """Give what was kept of it."""
    assert 0 == ended.code, ended.err
    return kept_run(directory / "run.json")


def is_glide(case: CaseRecord) -> bool:
    """Tell whether valkey-glide asked."""
    return case.axes["client"] == "valkey-glide"


def test_the_server_confirms_the_connections_of_each(run: RunFile) -> None:
    """As many as the pool has, or one for all handlers; and every client got on."""
    assert 6 == len(run.cases)
    for case in run.cases:
        [trial] = case.trials
        expected = 1 if is_glide(case) else 2
        assert trial.server is not None
        assert expected == trial.server.connections_counted == trial.summary.connections.prewarmed
        assert ({}, 0) == (trial.summary.failures, trial.summary.connections.opened)
        assert 0 < trial.summary.completed


def test_what_cannot_be_seen_of_one_is_not_there(run: RunFile) -> None:
    """Neither phases of a pool nor round trips of a handshake are guessed at."""
    assert 2 == sum(map(is_glide, run.cases))
    for case in filter(is_glide, run.cases):
        assert case.summary is not None
        connections = case.summary.connections
        assert {Phase.COMMAND, Phase.SERVICE, Phase.RESPONSE} == set(case.summary.phases)
        assert case.summary.in_use is None
        assert (None, None, None, {}) == (
            connections.setup_round_trips,
            connections.tls_round_trips,
            connections.setup_refused,
            connections.setup,
        )
        assert ("multiplexed", None) == (case.axes["pool"], case.axes["max_connections"])


def test_one_table_compares_them_and_sizes_are_for_pools(ended: Ended, run: RunFile) -> None:
    """Whoever has a pool may be told a size for it, and nobody else is told a word about one."""
    assert "multiplexed, valkey-glide," in " ".join(ended.out.split())
    assert "Confirmed by the server's own counter: 10 of 10 connections." in ended.out
    for name in ("redis-py", "valkey-py", "valkey-glide", "valkey-glide-sync"):
        assert name in ended.out.replace("\N{NO-BREAK SPACE}", " ")
    assert {"redis-py", "valkey-py"} == {each.applies_to["client"] for each in run.recommendations}


def test_a_pool_for_a_client_without_one_is_no_run(tmp_path: Path) -> None:
    """It is said before anything is started, with what to do."""
    ended = valkeybench(tmp_path, "run", "--client", "valkey-glide", "--pool", "blocking")
    assert 2 == ended.code
    assert "valkey-glide has one connection for all handlers, and no pool" in ended.err
    assert "--client redis-py,valkey-glide" in ended.err
