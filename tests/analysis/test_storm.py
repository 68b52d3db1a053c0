"""The storm model agrees with arithmetic where arithmetic knows the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Redis

from valkeybench.analysis.storm import (
    NO_BACKOFF,
    Backoff,
    Storm,
    ideal_ns,
    safe_clients,
    spread_needed_ns,
    weather,
)
from valkeybench.units import MILLISECOND, SECOND

FOR_EVER = Backoff(retries=10**6)
"""An application that retries by itself and never begins anew."""


def storm(clients: int, rate: float, timeout_s: float | None, **more: object) -> Storm:
    """Give a storm of so many clients that wait so long."""
    patience = None if timeout_s is None else round(timeout_s * SECOND)
    return Storm(clients=clients, per_second=rate, patience_ns=patience, **more)  # type: ignore[arg-type]  # fields of a Storm


@pytest.mark.parametrize(
    ("clients", "rate", "seconds"), [(1, 10, 0.1), (2000, 500, 4.0), (1999, 100, 19.99)]
)
def test_patient_clients_are_all_connected_when_the_server_has_served_them(
    clients: int, rate: float, seconds: float
) -> None:
    """One queue and a fixed service time: the last is done after clients ÷ rate, at first try."""
    seen = weather(storm(clients, rate, None))
    assert pytest.approx(seconds, rel=1e-6) == (seen.recovered_ns or 0) / SECOND
    assert pytest.approx(ideal_ns(clients, rate)) == seen.recovered_ns
    assert 1.0 == seen.attempts


def test_clients_that_give_up_too_soon_starve_all_but_the_first() -> None:
    """Those served within the timeout are rate × timeout; the others never are: livelock."""
    seen = weather(storm(2000, 500, 1))
    assert seen.recovered_ns is None
    assert 500 / 2000 == seen.connected
    assert 1.0 < seen.attempts


def test_a_server_that_makes_it_in_time_has_no_livelock() -> None:
    """At the timeout itself the last client is still served."""
    assert 4 * SECOND == weather(storm(2000, 500, 4)).recovered_ns
    assert weather(storm(2001, 500, 4)).recovered_ns != ideal_ns(2001, 500)


def test_backing_off_lets_the_server_catch_up() -> None:
    """A round of timeout and pause that asks for less than the server does ends the livelock.

    5 000 clients, 477 handshakes a second, 5 s timeout: 2 615 are left after the first round,
    and ask again every 6 s at most: 436 a second. That took 99.5 s in an independent simulation
    that never began anew, and for ever without back-off.
    """
    seen = weather(storm(5000, 477, 5, backoff=FOR_EVER))
    assert pytest.approx(99.5, abs=0.5) == (seen.recovered_ns or 0) / SECOND
    without = weather(storm(5000, 477, 5))
    assert (None, 0.48) == (without.recovered_ns, round(without.connected, 2))


def test_reconnects_spread_as_needed_are_over_when_the_spread_is() -> None:
    """The server is two thirds busy: nobody waits long enough to give up."""
    needed = round(spread_needed_ns(5000, 477))
    assert 15_723 == needed // MILLISECOND
    seen = weather(storm(5000, 477, 1, spread_ns=needed))
    assert pytest.approx(needed, rel=0.01) == seen.recovered_ns
    assert 1.0 == seen.attempts


@pytest.mark.parametrize(
    ("rate", "timeout_s", "safe"), [(477, 5, 1908), (1757, 5, 7028), (500, 1, 400)]
)
def test_four_fifths_of_what_is_served_in_time_is_safe(
    rate: float, timeout_s: int, safe: int
) -> None:
    """C ≤ 0.8 × rate × timeout, and it is safe in the simulation, too."""
    assert safe == safe_clients(rate, timeout_s * SECOND)
    assert 1.0 == weather(storm(safe, rate, timeout_s)).attempts


def test_spread_over_time_more_are_safe() -> None:
    """Rate × spread ÷ 1.5, where that is more than what is safe at once."""
    assert 3180 == safe_clients(477, 5 * SECOND, 10 * SECOND)
    assert 1908 == safe_clients(477, 5 * SECOND, SECOND)


def test_whom_the_queue_cannot_hold_the_kernel_sends_again() -> None:
    """2 000 at 870 a second, 511 at a time: at 0, 1 and 3 s, and the last 467 at their timeout.

    That is 5 s and 467 ÷ 870. Filled for real over TLS such pools took 4.8 to 4.9 s.
    """
    seen = weather(storm(2000, 870, 5, queue=511))
    assert pytest.approx(5 + 467 / 870, rel=1e-6) == (seen.recovered_ns or 0) / SECOND


def test_a_kernel_knocks_after_one_three_and_seven_seconds() -> None:
    """Each pause twice the one before: 2 000 at 511 a time are in at 0, 1, 3 and 7 s."""
    seen = weather(storm(2000, 870, 20, queue=511))
    assert pytest.approx(7 + 467 / 870, rel=1e-6) == (seen.recovered_ns or 0) / SECOND


def test_a_command_that_fails_is_asked_again_from_the_beginning() -> None:
    """Two retries after a pause of 1 s each, then at once: three attempts in 3 × 0.5 + 2 s.

    The server needs a second, and the client waits for half of one: 50 s of trying.
    """
    backoff = Backoff(base_ns=10**15, cap_ns=SECOND, retries=2)
    assert 43 == weather(storm(1, 1, 0.5, backoff=backoff)).attempts


def test_a_queue_that_is_served_in_time_leaves_nothing_done_in_vain() -> None:
    """Where a queue that takes everybody ends in livelock, this one does not.

    511 ÷ 870 is within the second clients wait, so each second 511 come in. Filled for real,
    1 860 of 2 000 had come in after three seconds.
    """
    assert weather(storm(2000, 870, 1)).recovered_ns is None
    seen = weather(storm(2000, 870, 1, queue=511))
    assert pytest.approx(3 + 467 / 870, rel=1e-6) == (seen.recovered_ns or 0) / SECOND
    assert [0.2555, 0.511, 0.7665] == [
        max(share for at, share in seen.curve if at <= second * SECOND - 1) for second in (1, 2, 3)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_large_fleet_is_simulated_as_a_smaller_one(seed: int) -> None:
    """Twenty times the clients at twenty times the rate recover in the same time."""
    small = weather(storm(5000, 900, 2, backoff=Backoff(), queue=500), seed=seed)
    large = weather(storm(100_000, 18_000, 2, backoff=Backoff(), queue=10_000), seed=seed)
    assert small == large


def test_the_back_off_is_that_of_redis_py() -> None:
    """The same pause for the same draw, and the parameters of a client made the usual way."""
    retry = Redis(host="localhost").get_retry()
    assert retry is not None
    theirs = retry._backoff  # noqa: SLF001 - where they keep it
    ours = Backoff()
    assert isinstance(theirs, ExponentialWithJitterBackoff)
    assert retry.get_retries() == ours.retries
    assert (theirs._base * SECOND, theirs._cap * SECOND) == (ours.base_ns, ours.cap_ns)  # noqa: SLF001 - as above


@pytest.mark.parametrize("failures", range(1, 11))
def test_a_pause_is_what_redis_py_reckons(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """min(cap, random × base × 2ⁿ)."""
    monkeypatch.setattr("random.random", lambda: 0.3)
    theirs = ExponentialWithJitterBackoff(base=0.01, cap=1).compute(failures)
    assert pytest.approx(theirs * SECOND, abs=1) == Backoff().pause_ns(failures, 0.3)


@given(
    clients=st.integers(1, 300),
    rate=st.floats(10, 2000),
    timeout_ms=st.integers(50, 5000),
    backs_off=st.booleans(),
    queue=st.none() | st.integers(1, 300),
)
def test_no_storm_ends_sooner_than_it_can(
    clients: int, rate: float, timeout_ms: int, queue: int | None, *, backs_off: bool
) -> None:
    """Never before clients ÷ rate; shares only grow; all are in when it has ended."""
    backoff = Backoff() if backs_off else NO_BACKOFF
    seen = weather(
        Storm(
            clients=clients, per_second=rate, patience_ns=timeout_ms * MILLISECOND,
            backoff=backoff, queue=queue,
        )
    )  # fmt: skip
    shares = [share for _, share in seen.curve]
    assert sorted(shares) == shares
    assert seen.attempts >= 1 or seen.recovered_ns is None
    if seen.recovered_ns is not None:
        assert seen.recovered_ns >= ideal_ns(clients, rate) - 1
        assert 1.0 == seen.connected == shares[-1]
    else:
        assert seen.connected < 1
