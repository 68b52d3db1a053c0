"""What a measurement says is worked out from counts, never from averages of averages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs import case_record
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.placing import Placing, ProcessShare, Worker
from valkeybench.measurement.reading import ServerReading
from valkeybench.measurement.series import Series
from valkeybench.measurement.watch import ServerWatch
from valkeybench.results.summary import case_record as keep_case
from valkeybench.results.summary import (
    intervals,
    jain_index,
    phase_summaries,
    place_record,
    server_record,
    starved,
    summarise,
)
from valkeybench.scenario.model import Case
from valkeybench.units import HOUR, MILLISECOND, SECOND

shares = st.lists(st.integers(0, 10**9), max_size=30)


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        ([], None),
        ([0, 0], None),
        ([7], 1),
        ([5, 5, 5, 5], 1),
        ([0, 0, 0, 9], 1 / 4),
        ([1, 2, 3], 6 / 7),  # (1 + 2 + 3)² / (3 × (1 + 4 + 9))
        ([1, 0], 1 / 2),
    ],
)
def test_fairness_is_jains_index(some: list[int], expected: float | None) -> None:
    """1 when all did the same, 1/n when one did everything, unknown when nothing was done."""
    assert expected == jain_index(some)


@given(shares)
@settings(deadline=None)
def test_fairness_is_between_one_nth_and_one(some: list[int]) -> None:
    """However much was done, and whatever the order."""
    index = jain_index(some)
    if any(some):
        assert index is not None
        assert 1 / len(some) - 1e-9 <= index <= 1 + 1e-9
        assert index == jain_index(some[::-1])
    else:
        assert None is index


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        ([], 0),
        ([0, 0], 0),
        ([10, 10, 10], 0),
        ([0, 100, 100], 1),
        ([10, 190], 0),  # exactly a tenth of the mean
        ([0, 190], 1),
        ([10, 200], 1),
        ([0, 0, 0, 100], 3),  # the median would call nobody starved
        ([0, 20], 1),
        ([0, 19], 0),  # a tenth of the mean is less than one command
        ([0, 0, 1, 2, 1], 0),  # fewer commands than handlers, as an open load may have
    ],
)
def test_starved_is_below_a_tenth_of_the_mean(some: list[int], expected: int) -> None:
    """Exact, whatever the counts; who had next to nothing to do was not kept from it."""
    assert expected == starved(some)


@pytest.mark.parametrize(("processes", "window"), [(1, SECOND), (4, 4 * SECOND), (2, SECOND)])
def test_throughput_is_of_all_processes_together(processes: int, window: int) -> None:
    """Commands over the time that passed, of which each process measured its own."""
    seen = Measurement(completed=1000, window_ns=window, failures={"reset": 500})
    assert 1000 / (window / processes / SECOND) == summarise(seen, processes=processes).throughput


def test_nothing_seen_is_a_whole_summary() -> None:
    """Zeros where things are counted, unknown where they are measured."""
    summary = summarise(Measurement(), processes=1)

    assert (0, 0, 0, 0, 0) == (
        summary.throughput,
        summary.attempted,
        summary.completed,
        summary.starved,
        summary.out_of_range,
    )
    assert (None, None, {}, {}) == (
        summary.fairness,
        summary.in_use,
        summary.phases,
        summary.failures,
    )
    assert None is summary.connections.setup_round_trips


def test_every_command_is_in_the_summary_once() -> None:
    """What was attempted ended in one of four ways; retries stand beside them."""
    seen = Measurement(
        completed=10,
        failures={"reset": 2, "timeout": 1},
        unfinished=4,
        dropped=5,
        retries=6,
        handlers=(4, 6),
        window_ns=SECOND,
    )
    summary = summarise(seen, processes=1)

    assert (22, 10, 3, 4, 5) == (
        summary.attempted,
        summary.completed,
        summary.failed,
        summary.unfinished,
        summary.dropped,
    )
    assert (6, {"reset": 2, "timeout": 1}) == (summary.retries, summary.failures)


def test_connections_are_told_apart_by_when_they_were_opened() -> None:
    """Before the window, warm-up included, and within it; set-up is averaged over all."""
    seen = Measurement(
        prewarmed=Opening(connections=3, round_trips=12, refused=3),
        warmup=Opening(connections=1, round_trips=4, refused=1),
        opened=Opening(connections=6, round_trips=4, refused=1),
        open_max=5,
        setup={"HELLO": 10},
        setup_refused={"CLIENT": 5},
    )
    connections = summarise(seen, processes=1).connections

    assert (4, 6, 5) == (connections.prewarmed, connections.opened, connections.open_max)
    assert (2, 0.5) == (connections.setup_round_trips, connections.setup_refused)
    assert ({"HELLO": 10}, {"CLIENT": 5}) == (connections.setup, connections.refused)


def test_round_trips_nobody_could_count_are_not_none() -> None:
    """A connection that was opened out of sight took some; zero would be a lie."""
    seen = Measurement(prewarmed=Opening(connections=1), open_max=1)
    for in_sight, expected in ((True, 0.0), (False, None)):
        found = summarise(seen, processes=1, opened_in_sight=in_sight).connections
        assert 1 == found.prewarmed
        assert (expected,) * 3 == (
            found.setup_round_trips,
            found.tls_round_trips,
            found.setup_refused,
        )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([10], (0, 0, 0, 0)),
        ([0, 0, 5, 0], (2, 2, 2, 2)),
        ([99, 1], (0.01, 0, 1, 1)),
        ([98, 2], (0.02, 1, 1, 1)),
        ([9990, 9, 1], (0.0011, 0, 0, 2)),
    ],
)
def test_in_use_is_a_distribution(counts: list[int], expected: tuple[float, ...]) -> None:
    """Mean, the nearest ranks and the most ever found; zeros at the end say nothing."""
    in_use = summarise(Measurement(in_use=np.array(counts, np.int64)), processes=1).in_use

    assert in_use is not None
    assert pytest.approx(expected) == (in_use.mean, in_use.p99, in_use.p999, in_use.max)


def test_phases_are_summarised_in_the_order_of_a_commands_life() -> None:
    """Those with samples only; what is out of range is counted beside them."""
    histograms = {
        Phase.RESPONSE: Histogram.of(range(1, 1001)),
        Phase.COMMAND: Histogram.of([5, -1]),
        Phase.RELEASE: Histogram.of([2 * HOUR]),
        Phase.TLS: Histogram.empty(),
    }
    phases = phase_summaries(histograms)

    assert ["command", "response"] == list(phases)
    response = phases["response"]
    assert (1000, 1, 500.5, 1000) == (
        response.count,
        response.min_ns,
        response.mean_ns,
        response.max_ns,
    )
    assert (500, 900, 990, 999) == (
        response.p50_ns,
        response.p90_ns,
        response.p99_ns,
        response.p999_ns,
    )
    assert 2 == summarise(Measurement(histograms=histograms), processes=1).out_of_range


def test_intervals_are_written_out() -> None:
    """One record for each, unknown where nothing was seen."""
    series = Series.of_length(2, 200 * MILLISECOND)
    series.completed[:] = [10, 0]
    series.failures[0, 0] = 1
    series.acquires[:] = [4, 0]
    series.in_use_sum[:] = [6, 0]
    series.in_use_max[:] = [3, 0]
    series.open_connections[:] = [5, -1]
    series.response[0, 100] = 10
    first, second = intervals(series)

    assert (0, 50, 1) == (first.start_ns, first.throughput, first.failed)
    assert (1.5, 3, 5) == (first.in_use_mean, first.in_use_max, first.open_connections)
    assert (100, 100, None) == (
        first.response_p50_ns,
        first.response_p99_ns,
        first.pool_wait_p99_ns,
    )
    assert (200 * MILLISECOND, 0, 0) == (second.start_ns, second.throughput, second.failed)
    assert (None, None, None, None) == (
        second.in_use_mean,
        second.in_use_max,
        second.open_connections,
        second.response_p50_ns,
    )


# --- what the server said ---


def watched(**changes: Any) -> ServerWatch:  # noqa: ANN401 - any attribute
    """Watch a server through a window of two seconds that opens at ten."""

    def reading(seconds: float, cpu_ns: int, received: int) -> ServerReading:
        at_ns = round(seconds * SECOND)
        return ServerReading(at_ns=at_ns, cpu_ns=cpu_ns, total_connections_received=received)

    usual = {
        "before": reading(8, 0, 100),
        "ready": reading(9, SECOND, 120),
        "samples": (
            reading(9.5, SECOND, 120),
            reading(10.5, 2 * SECOND, 120),
            reading(11.5, 2_700_000_000, 120),
            reading(12.5, 9 * SECOND, 120),
        ),
        "after": reading(13, 9 * SECOND, 130),
        "own_connections": 2,
        "opens_ns": 10 * SECOND,
        "closes_ns": 12 * SECOND,
    }
    return ServerWatch(**{**usual, **changes})


def test_readings_are_timed_from_the_opening_of_the_window() -> None:
    """What was before is negative, and the watcher's own connections are not the load's."""
    server = server_record(watched())

    assert [-2, -1, -0.5, 0.5, 1.5, 2.5, 3] == [
        reading.at_ns / SECOND
        for reading in (server.before, server.ready, *server.samples, server.after)
    ]
    assert 28 == server.connections_counted
    assert not server.lost


def test_server_cpu_is_taken_within_the_window() -> None:
    """Between the first and the last reading of the load; failing two, between its ends."""
    assert pytest.approx(0.7) == server_record(watched()).cpu_share
    assert pytest.approx(2.0) == server_record(watched(samples=())).cpu_share


def test_a_server_that_started_anew_has_no_cpu_share() -> None:
    """Counters that went back are another server's; neither does a mute one have any."""
    anew = replace(watched().after, cpu_ns=5, total_connections_received=1)
    mute = replace(watched().after, cpu_ns=None, total_connections_received=None)

    for after, counted in ((anew, 0), (mute, None)):
        server = server_record(watched(samples=(), after=after))
        assert (None, counted) == (server.cpu_share, server.connections_counted)


# --- where it ran ---


def test_what_each_process_did_is_kept_with_who_ran_it() -> None:
    """Rates are over the process's own window; the skew is between the first and the last."""
    workers = (
        Worker(name="a", address="tcp://a:1", host="h", cpus=2, processes=(0, 2)),
        Worker(name="b", processes=(1,), clock_ahead_ns=-7, clock_error_ns=9),
    )
    shares = tuple(
        ProcessShare(
            process=number,
            window_ns=2 * SECOND,
            completed=100 * number,
            failed=number,
            cpu_ns=number * SECOND,
            began_ns=-5 * number,
        )
        for number in range(3)
    )
    place = place_record(Placing(workers=workers, shares=shares))

    assert ["a", "b", "a"] == [process.worker for process in place.processes]
    assert [0, 50, 100] == [process.throughput for process in place.processes]
    assert [0, 0.5, 1] == [process.cpu_share for process in place.processes]
    assert [[0, 2], [1]] == [worker.processes for worker in place.workers]
    assert (10, 9) == (place.skew_ns, place.clock_error_ns)


def test_a_case_has_as_many_starved_handlers_as_its_worst_trial() -> None:
    """Those of one trial are gone in the next: they do not add up, and have no common mean."""
    fed, hungry, slow = ((9, 9, 9), (100, 100, 0), (1, 1, 1))
    seen = [
        Measurement(completed=sum(h), window_ns=SECOND, handlers=h) for h in (fed, hungry, slow)
    ]
    trials = [
        case_record(repeats=1).trials[0].model_copy(update={"summary": summarise(s, processes=1)})
        for s in seen
    ]
    kept = keep_case(Case(), "case", trials, sum(seen, Measurement()))
    assert kept.summary is not None
    assert 1 == kept.summary.starved
