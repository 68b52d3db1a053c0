"""What an application needs is told from what it was seen to use, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.measurement.looks import WEB, application, connection, watched
from valkeybench.analysis.observing import (
    Findings,
    Need,
    Sureness,
    Usage,
    Verdict,
    Wish,
    doubts,
    judge,
    round_span,
)
from valkeybench.measurement.reading import ServerReading
from valkeybench.units import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from valkeybench.measurement.client_ledger import ApplicationSeen, ConnectionSeen


def usage(seen: ApplicationSeen, wish: Wish | None = None, **changes: Any) -> Usage:  # noqa: ANN401 - fields
    """Judge one application."""
    (found,) = judge(watched(seen, **changes), wish or Wish()).usages
    return found


def pool(used: int, held: int, **changes: Any) -> list[ConnectionSeen]:  # noqa: ANN401 - fields
    """Make a pool of which so many connections were used; the others as `changes` say."""
    busy = [connection(was_used=True, last_use_s=0) for _ in range(used)]
    return [*busy, *(connection(**changes) for _ in range(held - used))]


def need(*connections: ConnectionSeen, wish: Wish | None = None, **changes: Any) -> Need:  # noqa: ANN401 - fields
    """Judge what these connections of one application would need."""
    return usage(application(*connections, **changes), wish).need


def test_who_holds_200_and_uses_12_needs_15() -> None:
    """The used ones and a quarter more; the rest is freed, with its memory."""
    found = need(*pool(12, 200))
    assert (Verdict.SHRINK, 15, 185, 185 * 2000) == (
        found.verdict,
        found.pool,
        found.frees,
        found.frees_bytes,
    )
    assert (Sureness.GOOD, DAY, "12 were needed") == (
        found.sureness,
        found.remembers_ns,
        found.reason,
    )


@pytest.mark.parametrize(("headroom", "size"), [(0.0, 12), (0.25, 15), (0.26, 16), (1.0, 24)])
def test_headroom_is_added_and_rounded_up(headroom: float, size: int) -> None:
    """As asked for."""
    assert size == need(*pool(12, 200), wish=Wish(headroom=headroom)).pool


@pytest.mark.parametrize(
    ("lookback_ns", "size", "sureness"),
    [
        (DAY, 50, Sureness.GOOD),
        (3 * HOUR, 15, Sureness.FAIR),
        (10 * MINUTE, 15, Sureness.LOW),
    ],
)
def test_a_burst_hours_ago_counts_as_far_back_as_asked(
    lookback_ns: int, size: int, sureness: Sureness
) -> None:
    """What was used five hours ago was needed then, though nobody watched."""
    burst = [connection(last_use_s=5 * 3600) for _ in range(28)]
    found = need(*pool(12, 172), *burst, wish=Wish(lookback_ns=lookback_ns))
    assert (size, sureness, lookback_ns) == (found.pool, found.sureness, found.remembers_ns)


def test_used_within_goes_back_no_further_than_the_connections() -> None:
    """Ten minutes, an hour, a day; those older than the oldest connection are left out."""
    seen = application(*pool(2, 9, age_s=7200, last_use_s=1800), connection(age_s=7200))
    young = [replace(each, age_s=7200) for each in seen.connections]
    assert ((10 * MINUTE, 2), (HOUR, 9)) == usage(application(*young)).used_within


def test_the_busiest_address_decides_for_all() -> None:
    """The setting is the same everywhere."""
    here = pool(3, 50)
    there = [replace(each, address="10.0.0.8") for each in pool(8, 50)]
    found = usage(application(*here, *there))
    assert (2, 100, 11) == (found.addresses, found.held, found.used)
    assert (10, 80, "8 were needed at the busiest address") == (
        found.need.pool,
        found.need.frees,
        found.need.reason,
    )


def test_the_median_address_says_how_far_back() -> None:
    """One that was restarted a minute ago takes nothing from what the others remember."""
    held = [
        replace(each, address=f"10.0.0.{n}", age_s=60 if n == 0 else 7200)
        for n in range(3)
        for each in pool(1, 5)
    ]
    assert 7200 * SECOND == need(*held).remembers_ns


def test_a_ping_hides_what_was_before_the_watch() -> None:
    """Pools that keep connections alive are remembered for as long as they were watched."""
    found = need(*pool(2, 9, is_kept_alive=True))
    assert (MINUTE, Sureness.LOW, 3) == (found.remembers_ns, found.sureness, found.pool)


def test_other_libraries_may_need_less() -> None:
    """A pool that takes turns uses more than it needs: what was used is a bound from above."""
    found = usage(application(*pool(12, 200), application=replace(WEB, library="other")))
    assert "at most 12 were needed" == found.need.reason
    # 100 commands a second of 2 µs each: the server knows of one in use at least.
    assert (1, 12) == (found.at_once_least, found.at_once_most)


def test_redis_py_uses_one_more_only_when_the_others_are_taken() -> None:
    """So what was active in the busiest interval was in use at once."""
    seen = application(*pool(12, 200), active_most=9)
    assert (9, 12) == (usage(seen).at_once_least, usage(seen).at_once_most)


def test_a_pool_that_is_all_used_is_not_known_or_fits() -> None:
    """By whether its library takes turns with its connections."""
    assert Verdict.FITS == need(*pool(9, 9)).verdict
    other = need(*pool(9, 9), application=replace(WEB, library="", version=""))
    assert (Verdict.UNKNOWN, None, 0) == (other.verdict, other.pool, other.frees)
    assert "a library that says no name may take turns" in other.reason


def test_one_that_did_nothing_has_no_size() -> None:
    """All of it could go, but what it needs when it works was not seen."""
    found = need(*pool(0, 40))
    assert (Verdict.IDLE, None, 40, 80_000, None) == (
        found.verdict,
        found.pool,
        found.frees,
        found.frees_bytes,
        found.sureness,
    )


def test_connections_that_come_and_go_have_no_size() -> None:
    """No pool kept them, or it was replaced."""
    found = need(*pool(2, 9), closed=5)
    assert (Verdict.UNKNOWN, None, 0) == (found.verdict, found.pool, found.frees)


@pytest.mark.parametrize(
    ("connections", "reason"),
    [
        ([connection(is_waiting=True)], "all are subscribed or blocked"),
        ([connection(was_used=True, last_use_s=0)], "one for each address"),
        (pool(8, 10), "8 were needed; the rest is headroom"),
    ],
)
def test_what_is_fit_stays(connections: list[ConnectionSeen], reason: str) -> None:
    """Nothing to free, and no size to set."""
    found = need(*connections)
    assert (Verdict.FITS, reason, 0, None) == (
        found.verdict,
        found.reason,
        found.frees,
        found.pool,
    )


def test_those_that_wait_are_no_idle_pool() -> None:
    """They are told apart, and needed beside the pool."""
    waiting = [connection(is_waiting=True) for _ in range(3)]
    found = usage(application(*pool(4, 30), *waiting))
    assert (33, 3, 4, 5, 3, 25) == (
        found.held,
        found.waiting,
        found.used,
        found.need.pool,
        found.need.waiting,
        found.need.frees,
    )


def test_memory_that_is_not_told_is_not_known() -> None:
    """Nor what would be freed of it."""
    found = usage(application(*pool(1, 9, memory=None)))
    assert (None, None) == (found.memory, found.need.frees_bytes)


# --- how many are in use ---


def test_mean_in_use_is_rate_times_hold_between_its_bounds() -> None:
    """100 commands a second: 2 µs at the server, 400 µs with our round trip, 12 active."""
    found = usage(application(*pool(12, 200))).in_use
    assert pytest.approx((100 * 2e-6, 100 * 400e-6, 12.0)) == (
        found.least,
        found.estimate,
        found.most,
    )


def test_no_estimate_is_above_what_was_active() -> None:
    """Pipelines count many commands for one round trip."""
    found = usage(application(*pool(2, 9), commands=60 * 10_000_000)).in_use
    assert (2.0, 2.0, 2.0) == (found.least, found.estimate, found.most)


@pytest.mark.parametrize(
    ("changes", "least", "estimate"),
    [
        ({"round_trip_ns": None}, 0.0002, None),
        ({"mean_command_ns": None}, None, None),
    ],
)
def test_what_is_not_known_gives_no_estimate(
    changes: dict[str, None], least: float | None, estimate: float | None
) -> None:
    """No PING, or no statistics: the bounds that are left stand alone."""
    found = usage(application(*pool(12, 200)), **changes).in_use
    assert pytest.approx(least) == found.least
    assert (estimate, 12.0) == (found.estimate, found.most)


def test_without_counts_there_is_no_rate() -> None:
    """An older server: idle times bound the mean from above, and nothing else does."""
    seen = application(*pool(12, 200), commands=None, traffic=None)
    found = usage(seen, clients={"counts_commands": False})
    assert (None, None, None) == (found.rate, found.in_use.least, found.in_use.estimate)
    assert (12.0, 15) == (found.in_use.most, found.need.pool)
    assert "in whole seconds" in doubts_of(seen, clients={"counts_commands": False})


def test_one_look_knows_ages_only() -> None:
    """Nothing is divided by no time."""
    changes = {"looks": 1, "lasted_ns": 0}
    seen = application(*pool(0, 9), connection(last_use_s=30), active_total=0)
    found = usage(seen, clients=changes)
    assert (None, None, None) == (found.rate, found.active_mean, found.in_use.most)
    assert 2 == found.need.pool
    assert "one look only" in doubts_of(seen, clients=changes)


@pytest.mark.parametrize(
    ("changes", "median_s"),
    [
        ({"last_use_s": 30}, 30),
        ({"age_s": 500}, 500),
        ({"is_kept_alive": True}, None),
    ],
)
def test_idle_age_is_since_the_last_use(changes: dict[str, int], median_s: int | None) -> None:
    """Or since it was opened, where it was never used; a PING hides it."""
    assert median_s == usage(application(*pool(1, 9, **changes))).idle_median_s


# --- the server as a whole ---


def test_connections_that_nobody_saw_are_counted() -> None:
    """What the server took in, less those that were seen to open and our own."""
    after = ServerReading(at_ns=1, total_connections_received=530)
    found = judge(
        watched(application(*pool(1, 9), opened=4), after=after, own_connections=2), Wish()
    )
    assert 530 - 500 - 4 - 1 == found.unseen_connections
    unknown = watched(after=ServerReading(at_ns=1))
    assert judge(unknown, Wish()).unseen_connections is None


def test_the_largest_comes_first_and_the_gone_are_left_out() -> None:
    """One that holds nothing and never closed anything was another's under its first name."""
    small, large = application(*pool(1, 2)), application(*pool(1, 9))
    found = judge(watched(small, application(), large), Wish())
    assert [9, 2] == [each.held for each in found.usages]


def doubts_of(seen: ApplicationSeen, **changes: Any) -> str:  # noqa: ANN401 - fields
    """Say what is not certain of one application."""
    return "\n".join(doubts(judge(watched(seen, **changes), Wish())))


def test_what_is_sure_is_not_doubted() -> None:
    """A day of redis-py leaves the estimate of the mean alone."""
    findings: Findings = judge(watched(application(*pool(12, 200))), Wish())
    (said,) = doubts(findings)
    assert "mean in use" in said
    assert [] == doubts(judge(watched(), Wish()))


@pytest.mark.parametrize(
    ("changes", "clients", "said"),
    [
        ({"application": replace(WEB, library="other")}, {}, "takes turns"),
        ({}, {"is_cut_short": True}, "--max-clients"),
    ],
)
def test_what_is_less_sure_is_said(
    changes: dict[str, Any], clients: dict[str, Any], said: str
) -> None:
    """With its reason."""
    assert said in doubts_of(application(*pool(12, 200), **changes), clients=clients)


def test_low_sureness_is_explained() -> None:
    """By how far back the connections remember."""
    young = [replace(each, age_s=300) for each in pool(12, 200)]
    assert "here 5 min" in doubts_of(application(*young))


@pytest.mark.parametrize(
    ("span_ns", "written"),
    [(1, "1 s"), (9 * SECOND, "9 s"), (119 * SECOND, "1 min"), (HOUR, "1 h"), (3 * DAY, "3 d")],
)
def test_spans_are_written_in_their_largest_unit(span_ns: int, written: str) -> None:
    """Rounded down: nothing goes further back than it does."""
    assert written == round_span(span_ns)
