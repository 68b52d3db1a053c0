"""redis-py's blocking pool starves who waits; the fair one serves first who came first."""

from __future__ import annotations

import threading
from collections import Counter
from queue import Empty, Full
from time import perf_counter_ns as clock
from time import sleep
from typing import TYPE_CHECKING

import pytest

from tests.load.loads import assert_adds_up, drive_here, few_handlers, make_trial
from tests.server.processes import wait_until
from valkeybench.load import connections
from valkeybench.load.connections import FairQueue
from valkeybench.measurement.metrics import Phase
from valkeybench.results.summary import jain_index, starved
from valkeybench.scenario.model import Pool
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.server.endpoint import Endpoint

WINDOW_NS = 600 * MILLISECOND


def waiting_in(queue: FairQueue) -> int:
    """Count who waits in a queue."""
    return len(queue._waiters)  # noqa: SLF001 - that somebody waits shows nowhere else


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Have some work begun in a thread of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# --- under load ---


def test_a_blocking_pool_starves_its_waiters(embedded: Endpoint) -> None:
    """Handlers that never pause keep the connection to themselves; who waits is seen to wait.

    The window's end finds them waiting since long, and their age is a response time. There
    are more of them than pauses for handing notes over, which let another one in.
    """
    case = few_handlers(pool=Pool.BLOCKING, concurrency=40, max_connections=1)
    seen = drive_here(make_trial(case, lasts_ns=WINDOW_NS), embedded)

    assert 1 <= starved(seen.handlers)
    assert 1 <= seen.unfinished <= 40
    response = seen.histograms[Phase.RESPONSE]
    assert response.maximum is not None
    assert WINDOW_NS // 2 < response.maximum <= WINDOW_NS
    # Those that finished know nothing of it.
    assert response.maximum > (seen.histograms[Phase.SERVICE].quantile(0.99) or 0)
    assert_adds_up(seen)


def test_a_fair_pool_serves_everybody(embedded: Endpoint) -> None:
    """The same load in the order of asking: all handlers get as much done."""
    case = few_handlers(pool=Pool.FAIR, concurrency=5, max_connections=1)
    seen = drive_here(make_trial(case, lasts_ns=WINDOW_NS), embedded)

    assert 0 == starved(seen.handlers)
    evenness = jain_index(seen.handlers)
    assert evenness is not None
    assert 0.9 < evenness
    assert_adds_up(seen)


# --- the queue by itself ---


def test_what_was_put_last_is_taken_first() -> None:
    """While nobody waits it is a stack, as redis-py's own, so that few connections are used."""
    queue = FairQueue(3)
    for item in "abc":
        queue.put_nowait(item)
    assert ["c", "b", "a"] == [queue.get(timeout=0) for _ in range(3)]


def test_it_holds_no_more_than_it_may() -> None:
    """What is put into a full one is refused, and nothing in it is lost."""
    queue = FairQueue(1)
    queue.put_nowait("a")
    with pytest.raises(Full):
        queue.put_nowait("b")
    assert ["a"] == queue.queue


def test_who_finds_nothing_gives_up_when_told() -> None:
    """At once when asked not to wait, else when the time is over and not before."""
    queue = FairQueue(1)
    with pytest.raises(Empty):
        queue.get(block=False)
    begun = clock()
    with pytest.raises(Empty):
        queue.get(timeout=0.02)
    assert 20 * MILLISECOND <= clock() - begun
    assert 0 == waiting_in(queue)


def test_a_timeout_of_zero_or_less_gives_up_at_once() -> None:
    """A pool timeout of 0 is allowed, and what is left of one may be less than nothing."""
    for timeout in (0, -1):
        with pytest.raises(Empty):
            FairQueue(1).get(timeout=timeout)


def test_first_come_first_served() -> None:
    """Items go to who waited longest, whatever the order in which threads wake up."""
    queue, served = FairQueue(1), dict[int, str]()
    threads = []
    for number in range(5):
        threads.append(in_thread(lambda n=number: served.__setitem__(n, queue.get())))  # type: ignore[misc]  # a lambda's default
        wait_until(lambda: waiting_in(queue) == number + 1)  # noqa: B023 - called at once
    for item in "abcde":
        queue.put_nowait(item)
    for thread in threads:
        thread.join()
    assert dict(enumerate("abcde")) == served
    assert [] == queue.queue


def test_an_item_handed_over_while_its_waiter_gives_up_is_not_lost() -> None:
    """However hand-overs and timeouts meet, every item is somewhere and nobody has two.

    Eight threads with hardly any patience pass three items round.
    """
    queue, held, lock = FairQueue(3), set[str](), threading.Lock()
    for item in "abc":
        queue.put_nowait(item)
    outcomes: Counter[str] = Counter()
    all_at_once = threading.Barrier(8)

    def pass_round() -> None:
        all_at_once.wait()
        for turn in range(1500):
            try:
                item = queue.get(timeout=turn % 5 * 1e-4)
            except Empty:
                with lock:
                    outcomes["gave up"] += 1
                continue
            with lock:
                outcomes["had by two" if item in held else "served"] += 1
                held.add(item)
            sleep(1e-4)  # for others to find nothing
            with lock:
                held.remove(item)
            queue.put_nowait(item)

    for thread in [in_thread(pass_round) for _ in range(8)]:
        thread.join()
    assert ["a", "b", "c"] == sorted(queue.queue)
    assert 0 == waiting_in(queue)
    assert {"served", "gave up"} == set(outcomes)
    assert 8 * 1500 == outcomes.total()


class LateLock:
    """A lock that somebody releases the moment the patience of who waits for it is over."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._lock = threading.Lock()
        self._meanwhile = meanwhile

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT002 - as threading.Lock
        """Take it; run out of patience when there is any."""
        if timeout >= 0:
            self._meanwhile()
            return False
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()


def test_who_is_served_between_giving_up_and_leaving_the_line_keeps_the_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The race itself, staged: a hand-over right after the timeout counts."""
    queue = FairQueue(1)
    monkeypatch.setattr(connections, "Lock", lambda: LateLock(lambda: queue.put_nowait("late")))
    assert "late" == queue.get(timeout=1)
    assert 0 == waiting_in(queue)
    assert [] == queue.queue
