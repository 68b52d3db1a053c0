"""The recorder turns instants into phases that add up, and counts each command exactly once."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.measurement.measurements import differences, openings
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Opening
from valkeybench.measurement.metrics import OPENING, PARTS, FailureKind, Phase
from valkeybench.measurement.recorder import (
    COMMAND_ROW,
    FAILED_ROW,
    KINDS,
    OPENED_ROW,
    Recorder,
    Window,
)
from valkeybench.measurement.series import coarse_quantile
from valkeybench.units import HOUR, MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

OPENS = 5 * SECOND
CLOSES = OPENS + 350 * MILLISECOND
WINDOW = Window(OPENS, CLOSES)
CAPACITY = 4
ONE = Opening(connections=1, round_trips=4, refused=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A command as it happened: how long each part took, and how its connection came about."""

    done: int = OPENS
    late: int = 0
    """How long after it was due it began."""
    wait: int = 0
    opening: tuple[int, ...] = ()
    """Nanoseconds by OPENING phase; empty when nothing was opened."""
    reopening: int = 0
    """Nanoseconds of connecting once more within the command: a retry."""
    command: int = 0
    release: int = 0
    seen: int = 0
    what: Opening = ONE
    """What was counted while opening, if anything was opened."""

    @property
    def service(self) -> int:
        """How long it took from beginning to end."""
        return self.wait + sum(self.opening) + self.reopening + self.command + self.release

    @property
    def begun(self) -> int:
        """When it began."""
        return self.done - self.service

    def packed(self) -> bytes:
        """Write it as a handler does."""
        held = self.begun + self.wait + sum(self.opening)
        instants = (
            self.begun - self.late,
            self.begun,
            held,
            self.done - self.release,
            self.done,
            self.seen,
        )
        if not self.opening:
            return COMMAND_ROW.pack(*instants)
        phases = dict(zip(OPENING, self.opening, strict=True))
        phases[Phase.CONNECT] += self.reopening
        return OPENED_ROW.pack(*instants, *phases.values(), *astuple(self.what))

    def record(self, recorder: Recorder) -> int:
        """Feed it."""
        feed = recorder.record_opened if self.opening else recorder.record
        return feed(self.packed())


times = st.integers(0, 5000) | st.integers(0, HOUR // 20)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Draw commands that end before, in and after the window, over new connections and old."""
    opening = draw(st.just(()) | st.tuples(*[times] * len(OPENING)))
    sample = Sample(
        done=draw(st.integers(OPENS - 5, OPENS + 5) | st.integers(CLOSES - 5, CLOSES + 5)
                  | st.integers(OPENS, CLOSES - 1)),
        wait=draw(times),
        opening=opening,
        reopening=draw(st.just(0) | times) if opening else 0,
        command=draw(times),
        release=draw(times),
        seen=draw(st.integers(0, CAPACITY)),
        what=draw(openings),
    )  # fmt: skip
    # No handler begins on a command once the window has closed.
    assume(sample.done - sample.service < CLOSES)
    return sample


def recorder_of(some: Sequence[Sample] = (), *, capacity: int | None = CAPACITY) -> Recorder:
    """Feed a recorder one sample at a time."""
    recorder = Recorder(WINDOW, capacity=capacity)
    for sample in some:
        sample.record(recorder)
    return recorder


def total(histograms: dict[Phase, Histogram], phase: Phase) -> int:
    """Give the sum of a phase's samples."""
    return histograms[phase].total if phase in histograms else 0


def fail(recorder: Recorder, *, begun: int, done: int, **more: Any) -> None:  # noqa: ANN401 - a row's rest
    """Feed a failed command."""
    kind = KINDS.index(more.pop("kind", FailureKind.TIMEOUT))
    what = astuple(more.pop("what", Opening()))
    recorder.record_failed(FAILED_ROW.pack(begun, begun, done, more.pop("seen", 0), kind, *what))


def seen_by(recorder: Recorder) -> dict[str, Any]:
    """Give everything a recorder tells, to compare two of them."""
    return {
        "completed": recorder.completed,
        "unfinished": recorder.unfinished,
        "failures": recorder.failures,
        "histograms": recorder.histograms(),
        "in_use": recorder.in_use.tolist(),
        "warmup": recorder.warmup,
        "opened": recorder.opened,
    }


# --- an open load ---


@given(samples(), times, st.sampled_from([CAPACITY, None]))
@settings(deadline=None, max_examples=100)
def test_response_is_lateness_and_service(sample: Sample, late: int, capacity: int | None) -> None:
    """With a schedule a command's time runs from when it was due, whenever it was begun."""
    recorder = Recorder(WINDOW, capacity=capacity, arrivals_open=True)
    late_sample = replace(sample, late=late)
    completed = late_sample.record(recorder)
    found = recorder.histograms()

    assert completed * late == total(found, Phase.LATENESS)
    assert completed * sample.service == total(found, Phase.SERVICE)
    if completed:
        assert sample.service + late == total(found, Phase.RESPONSE)
    elif sample.done >= CLOSES:
        assert CLOSES - late_sample.begun + late == total(found, Phase.RESPONSE)


def test_a_closed_load_is_never_late() -> None:
    """A command is due when its handler begins on it, so there is no such phase."""
    recorder = recorder_of([Sample(command=10), Sample(done=OPENS + 1)])

    assert Phase.LATENESS not in recorder.histograms()
    assert recorder.histograms()[Phase.SERVICE] == recorder.histograms()[Phase.RESPONSE]


def test_the_series_shows_response_from_when_it_was_due() -> None:
    """An interval's quantiles are of response, as the histogram of the whole window is."""
    recorder = Recorder(WINDOW, capacity=CAPACITY, arrivals_open=True)
    Sample(late=700, command=300).record(recorder)

    assert pytest.approx(1000, rel=0.01) == coarse_quantile(recorder.series.response[0], 0.5)


# --- the parts are the whole ---


@given(samples(), st.sampled_from([CAPACITY, None]))
@settings(deadline=None, max_examples=150)
def test_the_parts_of_every_sample_add_up_to_service(sample: Sample, capacity: int | None) -> None:
    """To the nanosecond: with a pool and without, opening or not, opening once more in a retry."""
    recorder = Recorder(WINDOW, capacity=capacity)
    completed = sample.record(recorder)
    found = recorder.histograms()

    assert completed == (OPENS <= sample.done < CLOSES)
    assert completed * sample.service == total(found, Phase.SERVICE)
    assert completed * sample.service == sum(total(found, part) for part in PARTS)
    assert not any(histogram.out_of_range for histogram in found.values())


def test_each_part_is_what_happened() -> None:
    """With a pool: waiting is what opening leaves of the time before the connection was held."""
    sample = Sample(wait=7, opening=(1, 2, 3, 4, 5), command=100, release=10)
    found = recorder_of([sample]).histograms()

    assert {
        Phase.POOL_WAIT: 7,
        **dict(zip(OPENING, (1, 2, 3, 4, 5), strict=True)),
        Phase.COMMAND: 100,
        Phase.RELEASE: 10,
        Phase.SERVICE: 132,
        Phase.RESPONSE: 132,
    } == {phase: histogram.total for phase, histogram in found.items()}


def test_without_a_pool_nobody_waits_for_it() -> None:
    """The time before the connection that no phase explains is Python building clients."""
    sample = Sample(wait=7, opening=(1, 2, 3, 4, 5), command=100, release=10, seen=9)
    recorder = recorder_of([sample], capacity=None)
    found = recorder.histograms()

    assert 8 == found[Phase.CONSTRUCT].total
    assert Phase.POOL_WAIT not in found
    assert (0, 0) == (recorder.in_use.size, int(recorder.series.acquires.sum()))
    assert 0 == recorder.series.pool_wait.sum()


def test_what_a_retry_opens_is_not_counted_twice() -> None:
    """A connection opened again within the command takes its time from the command."""
    found = recorder_of([Sample(opening=(0, 2, 0, 0, 3), reopening=50, command=100)]).histograms()

    assert (52, 100) == (found[Phase.CONNECT].total, found[Phase.COMMAND].total)
    assert 0 == found[Phase.POOL_WAIT].total


def test_a_phase_that_did_not_happen_has_no_sample() -> None:
    """No TLS is not TLS in no time; not waiting is waiting for no time."""
    found = recorder_of([Sample(opening=(1, 2, 0, 0, 5)), Sample(command=3)]).histograms()

    assert Phase.TLS not in found
    assert Phase.FAILED not in found
    assert (1, 2) == (found[Phase.CONNECT].count, found[Phase.POOL_WAIT].count)


# --- the window ---


@pytest.mark.parametrize(
    ("done", "completed", "unfinished"),
    [
        (OPENS - 1, 0, 0),
        (OPENS, 1, 0),
        (CLOSES - 1, 1, 0),
        (CLOSES, 0, 1),
        (CLOSES + SECOND, 0, 1),
    ],
)
def test_a_command_belongs_to_the_window_in_which_it_ends(
    done: int, completed: int, unfinished: int
) -> None:
    """Up to the opening it is warm-up, from the closing on it is unfinished."""
    recorder = recorder_of()
    begun = OPENS - 10
    given_back = recorder.record(COMMAND_ROW.pack(begun, begun, begun, done, done, 0))

    assert completed == given_back == recorder.completed
    assert unfinished == recorder.unfinished


def test_an_unfinished_command_is_as_old_as_it_was_when_the_window_closed() -> None:
    """Its age counts as a response, for it took at least that long, and as nothing else."""
    recorder = recorder_of(
        [Sample(done=CLOSES, command=30), Sample(done=CLOSES + 100, command=150)]
    )

    assert {Phase.RESPONSE: Histogram.of([30, 50])} == recorder.histograms()
    assert (0, 2) == (recorder.completed, recorder.unfinished)
    assert (0, 0) == (recorder.in_use.sum(), recorder.series.completed.sum())


def test_a_command_that_may_never_end_is_unfinished() -> None:
    """Whoever gives up on a handler counts its command at its age."""
    recorder = recorder_of()
    recorder.abandon(CLOSES - 40)

    assert {Phase.RESPONSE: Histogram.of([40])} == recorder.histograms()
    assert 1 == recorder.unfinished


def test_what_ended_before_the_window_counts_only_as_opened() -> None:
    """Warm-up leaves the number of connections it opened, and no time."""
    early, inside = Sample(done=OPENS - 1, opening=(1,) * 5), Sample(opening=(1,) * 5)
    recorder = recorder_of([early, early, inside])

    assert ONE + ONE == recorder.warmup
    assert ONE == recorder.opened
    assert 1 == recorder.completed == recorder.histograms()[Phase.CONNECT].count


# --- failures ---


def test_failures_are_counted_by_kind_and_timed_apart() -> None:
    """A failure is no throughput and no latency; it has a histogram and a column of its own."""
    recorder = recorder_of([Sample(command=5)])
    fail(recorder, begun=OPENS, done=OPENS + 30, kind=FailureKind.POOL_TIMEOUT, what=ONE)
    fail(recorder, begun=OPENS, done=OPENS + 40, kind=FailureKind.POOL_TIMEOUT)
    fail(recorder, begun=OPENS, done=OPENS + 50, kind=FailureKind.AUTH)
    found = recorder.histograms()

    assert {"pool_timeout": 2, "auth": 1} == recorder.failures
    assert Histogram.of([30, 40, 50]) == found[Phase.FAILED]
    assert Histogram.of([5]) == found[Phase.RESPONSE] == found[Phase.SERVICE]
    assert (1, 3) == (recorder.series.completed.sum(), recorder.series.failed.sum())
    assert ONE == recorder.opened


def test_failures_outside_the_window_are_as_commands_are() -> None:
    """Before it warm-up, after it unfinished: a failure that came too late was not seen."""
    recorder = recorder_of()
    fail(recorder, begun=OPENS - 9, done=OPENS - 1, what=ONE)
    fail(recorder, begun=CLOSES - 9, done=CLOSES)

    assert {} == recorder.failures
    assert {Phase.RESPONSE: Histogram.of([9])} == recorder.histograms()
    assert (ONE, Opening()) == (recorder.warmup, recorder.opened)


def test_every_kind_of_failure_is_told_apart() -> None:
    """Each has its number in a row, and comes out under its name."""
    recorder = recorder_of()
    for kind in FailureKind:
        fail(recorder, begun=OPENS, done=OPENS, kind=kind)
    assert {kind.value: 1 for kind in FailureKind} == recorder.failures


# --- the pool, and time ---


def test_connections_in_use_are_counted_at_each_acquire() -> None:
    """A distribution over 0 to capacity, of completed commands and of failed ones."""
    recorder = recorder_of([Sample(seen=seen) for seen in (0, 0, 1, 4)])
    fail(recorder, begun=OPENS, done=OPENS, seen=4)

    assert [2, 1, 0, 0, 2] == recorder.in_use.tolist()
    series = recorder.series
    assert (5, 9, 4) == (series.acquires[0], series.in_use_sum[0], series.in_use_max[0])


def test_what_handlers_saw_is_turned_into_connections_in_use() -> None:
    """A pool that shows its free connections says how many are taken."""
    recorder = Recorder(WINDOW, capacity=CAPACITY, in_use=lambda free: CAPACITY - free)
    Sample(seen=1).record(recorder)
    assert [0, 0, 0, 1, 0] == recorder.in_use.tolist()


@pytest.mark.parametrize(
    ("done", "interval"),
    [
        (OPENS, 0),
        (OPENS + 100 * MILLISECOND - 1, 0),
        (OPENS + 100 * MILLISECOND, 1),
        (CLOSES - 1, 3),
    ],
)
def test_a_command_is_in_the_interval_in_which_it_ends(done: int, interval: int) -> None:
    """Intervals begin with the window; the last one may be short."""
    series = recorder_of([Sample(done=done, wait=100, command=1000, seen=2)]).series
    fourth = [int(i == interval) for i in range(4)]

    assert fourth == series.completed.tolist() == series.acquires.tolist()
    assert fourth == series.response.sum(axis=1).tolist()
    assert fourth == series.pool_wait.sum(axis=1).tolist()
    assert 1100 <= (coarse_quantile(series.response[interval], 0.5) or 0) < 1111
    assert 100 == coarse_quantile(series.pool_wait[interval], 0.5)


@given(st.lists(samples(), max_size=15), st.sampled_from([CAPACITY, None]))
@settings(deadline=None, max_examples=50)
def test_intervals_add_up_to_the_window(some: list[Sample], capacity: int | None) -> None:
    """Nothing is in no interval, nothing in two."""
    recorder = recorder_of(some, capacity=capacity)
    fail(recorder, begun=OPENS, done=OPENS + 1)
    series, pooled = recorder.series, capacity is not None
    acquires = recorder.completed + 1 if pooled else 0

    assert recorder.completed == series.completed.sum() == series.response.sum()
    assert sum(recorder.failures.values()) == series.failed.sum()
    assert acquires == series.acquires.sum() == recorder.in_use.sum()
    assert recorder.completed * pooled == series.pool_wait.sum()
    assert np.dot(np.arange(recorder.in_use.size), recorder.in_use) == series.in_use_sum.sum()
    assert series.in_use_max.max() == max(np.flatnonzero(recorder.in_use), default=0)


# --- how it is fed does not show ---


@given(st.lists(samples(), max_size=15), st.sampled_from([CAPACITY, None]))
@settings(deadline=None, max_examples=50)
def test_one_block_is_many(some: list[Sample], capacity: int | None) -> None:
    """Samples may come one by one or all together; what is seen is the same."""
    apart, together = recorder_of(some, capacity=capacity), Recorder(WINDOW, capacity=capacity)
    plain = [sample.packed() for sample in some if not sample.opening]
    completed = together.record(b"".join(plain))
    completed += together.record_opened(b"".join(s.packed() for s in some if s.opening))

    assert completed == together.completed
    assert seen_by(apart) == seen_by(together)
    assert [] == differences(apart.series, together.series)


def test_many_threads_may_feed_one_recorder() -> None:
    """No sample is lost or counted twice, however handlers come together."""
    recorder = recorder_of()
    block = b"".join(Sample(command=i, seen=i % 5).packed() for i in range(500))
    with ThreadPoolExecutor(8) as pool:
        completed = sum(pool.map(lambda _: recorder.record(block), range(200)))

    assert 100_000 == completed == recorder.completed
    assert 200 * sum(range(500)) == recorder.histograms()[Phase.COMMAND].total
    assert [20_000] * 5 == recorder.in_use.tolist()


def test_a_million_commands_take_no_more_room_than_a_thousand() -> None:
    """Everything is counters; nothing grows with the load."""
    recorder = recorder_of()
    rows = np.zeros((2048, 6), np.int64)
    rows[:, :2] = OPENS
    rows[:, 2] = OPENS + np.arange(2048) * 11
    rows[:, 3] = rows[:, 2] + np.arange(2048) * 1009
    rows[:, 4] = rows[:, 3] + 5
    rows[:, 5] = np.arange(2048) % (CAPACITY + 1)
    block = rows.tobytes()
    recorder.record(block)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1_000_000 // 2048):
            recorder.record(block)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert recorder.completed > 999_000
    # What a thousand commands would take if they were kept; the recorder keeps none.
    assert grown < 1000 * COMMAND_ROW.size


def test_what_cannot_be_is_counted_and_not_hidden() -> None:
    """Time that ran backwards or stood for hours is out of range, and the command still counts."""
    recorder = recorder_of()
    recorder.record(COMMAND_ROW.pack(OPENS, OPENS + 5, OPENS, OPENS, OPENS, 0))
    recorder.record(COMMAND_ROW.pack(OPENS, OPENS - 2 * HOUR, OPENS, OPENS, OPENS, 0))
    found = recorder.histograms()

    assert 2 == recorder.completed == recorder.series.completed.sum()
    assert (0, 2) == (found[Phase.SERVICE].count, found[Phase.SERVICE].out_of_range)
    assert (0, 2) == (found[Phase.POOL_WAIT].count, found[Phase.POOL_WAIT].out_of_range)
    assert (2, 0) == (found[Phase.COMMAND].count, found[Phase.COMMAND].out_of_range)


def test_a_block_without_rows_changes_nothing() -> None:
    """A handler that did nothing hands over nothing."""
    recorder = recorder_of()
    assert (0, 0) == (recorder.record(b""), recorder.record_opened(b""))
    recorder.record_failed(b"")
    assert seen_by(recorder_of()) == seen_by(recorder)
    assert {} == recorder.histograms()
