"""Opening a TLS connection has phases of its own, and failing to open one leaves nothing open."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from tests.load.authorities import make_authority
from tests.load.fakes import Answer, Words, fake_server, is_setup, usual
from tests.load.loads import NEARLY, assert_adds_up, drive_here, few_handlers, make_trial
from tests.server.processes import wait_until
from valkeybench.load.asking import connection_class, make_pool
from valkeybench.load.connections import TimedTlsConnection
from valkeybench.load.failures import failure_kind
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Pool, TlsSettings
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.load.authorities import Authority

SETUP_NS = 10 * MILLISECOND
LONG_NS = 600 * MILLISECOND
"""Building a context may take 20 ms, on a machine that has nothing else to do."""
TLS_OPENING = {
    Phase.CONSTRUCT,
    Phase.CONNECT,
    Phase.TLS_CONTEXT,
    Phase.TLS,
    Phase.HANDSHAKE,
}


def delayed_setup(words: Words, number: int) -> Answer:
    """Answer set-up commands after a while."""
    return replace(usual(words, number), after_ns=SETUP_NS if is_setup(words) else 0)


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_the_phases_of_opening_are_told_apart(authority: Authority, pool: Pool) -> None:
    """Connecting, building the context, negotiating and setting up are each recorded."""
    with fake_server(delayed_setup, tls=authority.context) as server:
        trial = make_trial(few_handlers(pool=pool), prewarm=False, lasts_ns=LONG_NS)
        seen = drive_here(trial, authority.trusted(server.endpoint))
        connections, setups = server.connections, server.count(is_setup)

    assert {} == seen.failures
    assert set(seen.histograms) >= TLS_OPENING
    opened = seen.histograms[Phase.HANDSHAKE].count
    assert {opened} == {seen.histograms[phase].count for phase in TLS_OPENING}
    assert connections == seen.opened.connections
    assert setups == seen.opened.round_trips
    # The server's delays are set-up, and no phase overlaps another.
    assert 4 * SETUP_NS <= (seen.histograms[Phase.HANDSHAKE].minimum or 0)
    assert_adds_up(seen)


@pytest.mark.parametrize(
    ("version", "round_trips"), [(ssl.TLSVersion.TLSv1_2, 2), (ssl.TLSVersion.TLSv1_3, 1)]
)
def test_negotiating_takes_as_many_round_trips_as_its_version(
    tmp_path: Path, version: ssl.TLSVersion, round_trips: int
) -> None:
    """They are counted for every connection, and each costs its time over a distance."""
    authority, rtt_ns = make_authority(tmp_path), 15 * MILLISECOND
    authority.context.maximum_version = version
    with fake_server(tls=authority.context) as server:
        case = few_handlers(pool=Pool.RAISING, concurrency=1, rtt_ns=rtt_ns)
        seen = drive_here(make_trial(case), authority.trusted(server.endpoint))
    assert 2 * round_trips == seen.prewarmed.tls_round_trips
    assert NEARLY * round_trips * rtt_ns <= (seen.prewarm[Phase.TLS].minimum or 0)
    assert NEARLY * rtt_ns <= (seen.prewarm[Phase.CONNECT].minimum or 0)


def test_prewarming_over_tls_is_timed_like_any(authority: Authority) -> None:
    """The pool's opening has the phases of TLS, and the load none of them."""
    with fake_server(tls=authority.context) as server:
        trial = make_trial(few_handlers(pool=Pool.RAISING, concurrency=2))
        seen = drive_here(trial, authority.trusted(server.endpoint))
    assert TLS_OPENING == set(seen.prewarm)
    assert not TLS_OPENING & set(seen.histograms)


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_server_nobody_vouches_for_is_a_failure_of_tls(
    authority: Authority, stranger: Authority, pool: Pool
) -> None:
    """Connections get as far as TCP, which is counted, and no further."""
    with fake_server(tls=authority.context) as server:
        trial = make_trial(few_handlers(pool=pool), prewarm=False, lasts_ns=LONG_NS)
        seen = drive_here(trial, stranger.trusted(server.endpoint))
        wait_until(lambda: server.connections >= seen.opened.connections)
        assert 0 == len(server.heard)

    assert {FailureKind.TLS} == set(seen.failures)
    assert 0 == seen.completed
    assert server.connections == seen.opened.connections
    assert (0, 0) == (seen.opened.round_trips, seen.opened.refused)


def test_a_server_without_tls_is_a_failure_of_tls_or_connection() -> None:
    """Whatever plain server listens there, no command is taken for answered."""
    with fake_server() as server:
        endpoint = replace(server.endpoint, tls=True)
        trial = make_trial(few_handlers(), prewarm=False, lasts_ns=LONG_NS)
        seen = drive_here(trial, endpoint)
    assert 0 == seen.completed
    assert set(seen.failures) <= {FailureKind.TLS, FailureKind.RESET}
    assert 0 < seen.failed


def test_no_socket_stays_open_when_negotiating_fails(
    authority: Authority, stranger: Authority
) -> None:
    """The ledger and the server agree that everything is closed again, attempt after attempt."""
    ledger = Ledger(Shared())
    with fake_server(tls=authority.context) as server:
        endpoint = stranger.trusted(server.endpoint)
        assert connection_class(endpoint) is TimedTlsConnection
        pool = make_pool(few_handlers(pool=Pool.RAISING), endpoint, ledger)
        for _ in range(3):
            with pytest.raises(redis.ConnectionError) as failed:
                pool.get_connection()
            assert FailureKind.TLS == failure_kind(failed.value)
            assert 0 == ledger.shared.open
        wait_until(lambda: 3 == server.connections)
    assert 1 == ledger.shared.open_max
    assert 3 == ledger.notes.connections
    assert 0 == ledger.notes.handshake


def test_a_context_that_cannot_be_built_leaves_no_socket_open(
    authority: Authority, tmp_path: Path
) -> None:
    """A file of certificates that is none fails after connecting; the connection is closed."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    ledger = Ledger(Shared())
    with fake_server(tls=authority.context) as server:
        endpoint = replace(server.endpoint, trust=TlsSettings(ca_certs=str(nonsense)))
        pool = make_pool(few_handlers(pool=Pool.RAISING), endpoint, ledger)
        with pytest.raises(redis.ConnectionError) as failed:
            pool.get_connection()
    assert FailureKind.TLS == failure_kind(failed.value)
    assert 0 == ledger.shared.open
