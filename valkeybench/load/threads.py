"""The `threads` driver: handlers are threads sharing redis-py's synchronous pool."""

from __future__ import annotations

import threading
from itertools import cycle, islice
from time import perf_counter_ns as clock
from time import sleep
from typing import TYPE_CHECKING, Any

from valkeybench.load.asking import Tallied, arguments, make_asker, make_pool
from valkeybench.load.cluster import make_cluster
from valkeybench.load.driver import Cost, summed_replies
from valkeybench.load.failures import failure_kind
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.load.pace import OnSchedule, Schedule, Thinking
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.measurement.recorder import (
    COMMAND_ROW,
    FAILED_ROW,
    KINDS,
    OPENED_ROW,
    Recorder,
    Window,
)
from valkeybench.plan.workload import command_table, has_batches
from valkeybench.scenario.model import Think
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.load.asking import AnyPool, Asker
    from valkeybench.load.pace import Pace
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

_ROWS_TOGETHER = 1 << 17
_FEWEST_ROWS, _MOST_ROWS = 128, 4096
"""Rows a handler keeps before it hands them over: few enough for a thousand handlers, enough
to make the vectorised part cheap."""

_GRACE_NS = 6 * SECOND
"""How long handlers may take to end the command under way when the window has closed:
more than redis-py's default socket timeout of 5 s."""

_KIND_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_UNUSED_ROW = (0, 0, 0, 0, 0, 0)
"""Ended before any window opened, so it counts nowhere."""


class ThreadsDriver:
    """Sends one process's share of a trial with threads, and tells what it saw."""

    def __init__(
        self, trial: Trial, endpoint: Endpoint, *, process: int, grace_ns: int = _GRACE_NS
    ) -> None:
        self._trial = trial
        self._grace_ns = grace_ns
        self._endpoint = endpoint
        self._process = process
        self._ledger = Ledger(Shared(), rtt_ns=trial.case.rtt_ns)
        case = trial.case
        self._cluster = make_cluster(case, endpoint, self._ledger) if endpoint.nodes else None
        self._pool = (
            make_pool(case, endpoint, self._ledger)
            if case.pool.is_pooled and not endpoint.nodes
            else None
        )
        # Drawn before anybody waits for us: a table of large batches takes its time.
        self._table = [
            arguments(request)
            for request in command_table(
                trial.commands,
                seed=f"{trial.seed}/{process}",
                prefix=trial.key_prefix,
                value_size=case.value_size,
            )
        ]
        self._prewarm_rows: list[tuple[int, ...]] = []
        self._prewarm_ns = 0

    def prewarm(self) -> None:
        """Open every connection of the pool before the load; raises what redis-py raises."""
        if not self._trial.prewarm:
            return
        begun = clock()
        self._ledger.notes.take()
        taken = []
        try:
            for pool in self._pools():
                for _ in range(pool.max_connections):
                    connection: Any = pool.get_connection()
                    connection.opening_ns = 0
                    taken.append((pool, connection))
                    self._prewarm_rows.append(self._ledger.notes.take())
        finally:
            for pool, connection in taken:
                pool.release(connection)
        self._prewarm_ns = clock() - begun

    def _pools(self) -> Sequence[AnyPool]:
        """Give the pools all handlers share: one, one for each node of a cluster, or none."""
        if self._cluster is not None:
            return self._cluster.pools()
        return () if self._pool is None else (self._pool,)

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, and give what was seen in it."""
        recorder = self._make_recorder(window)
        schedule = Schedule.of(self._trial, window, process=self._process)
        handlers = self._make_handlers(recorder, schedule)
        for handler in handlers:
            handler.thread.start()
        cost = self._watch(recorder)
        abandoned = self._finish(handlers, recorder)
        return self._measurement(recorder, handlers, schedule, cost, abandoned)

    def _make_recorder(self, window: Window) -> Recorder:
        several = 0 if self._cluster is None else self._cluster.numbers
        arrivals_open = self._trial.case.rate is not None
        for pool in self._pools():  # they are all alike
            return Recorder(
                window,
                capacity=pool.max_connections,
                in_use=pool.in_use,
                arrivals_open=arrivals_open,
                pools=several,
            )
        return Recorder(window, capacity=None, arrivals_open=arrivals_open, pools=several)

    def _make_handlers(self, recorder: Recorder, schedule: Schedule | None) -> list[_Handler]:
        trial, case = self._trial, self._trial.case
        seed = f"{trial.seed}/{self._process}"
        table = self._table
        batches = has_batches(trial.commands)
        rows = min(max(_ROWS_TOGETHER // case.concurrency, _FEWEST_ROWS), _MOST_ROWS)
        handlers = []
        for number in range(case.concurrency):
            asker: Asker = (
                make_asker(case, self._endpoint, self._pool, self._ledger, batches=batches)
                if self._cluster is None
                else self._cluster.make_asker()
            )
            handlers.append(
                _Handler(
                    Tallied(asker) if trial.tally_replies else asker,
                    commands=islice(cycle(table), number * len(table) // case.concurrency, None),
                    pace=Thinking(case.think or Think(0), f"{seed}/{number}", recorder.window)
                    if schedule is None
                    else OnSchedule(schedule, recorder.window),
                    recorder=recorder,
                    ledger=self._ledger,
                    rows=rows,
                )
            )
        return handlers

    def _watch(self, recorder: Recorder) -> Cost:
        """Sleep through the window, looking up only at the borders of its intervals."""
        series, window = recorder.series, recorder.window
        _sleep_until(window.opens)
        before = Cost.now()
        for interval in range(series.length):
            series.open_connections[interval] = self._ledger.shared.open
            _sleep_until(min(window.opens + (interval + 1) * series.interval_ns, window.closes))
        return Cost.now() - before

    def _finish(self, handlers: list[_Handler], recorder: Recorder) -> int:
        """Wait for commands under way to end; count those that do not as unfinished."""
        patience = recorder.window.closes + self._grace_ns
        for handler in handlers:
            handler.thread.join(max(patience - clock(), 0) / SECOND)
        stuck = [handler for handler in handlers if handler.thread.is_alive()]
        for handler in stuck:
            handler.abandon()
        return len(stuck)

    def _measurement(
        self,
        recorder: Recorder,
        handlers: list[_Handler],
        schedule: Schedule | None,
        cost: Cost,
        abandoned: int,
    ) -> Measurement:
        columns = list(zip(*self._prewarm_rows, strict=True))
        askers = [handler.asker for handler in handlers]
        return Measurement(
            window_ns=recorder.window.length_ns,
            completed=recorder.completed,
            batched=sum(handler.batched for handler in handlers),
            unfinished=recorder.unfinished,
            dropped=0 if schedule is None else schedule.dropped(),
            offered=0 if schedule is None else schedule.offered,
            retries=self._ledger.shared.retries,
            abandoned=abandoned,
            failures=recorder.failures,
            histograms=recorder.histograms(),
            prewarm=_prewarm_histograms(columns),
            prewarm_ns=self._prewarm_ns,
            prewarmed=Opening(*(sum(column) for column in columns[len(OPENING) :])),
            warmup=recorder.warmup + (self._cluster.discovery if self._cluster else Opening()),
            opened=recorder.opened,
            open_max=self._ledger.shared.open_max,
            setup=dict(self._ledger.shared.setup),
            setup_refused=dict(self._ledger.shared.setup_refused),
            in_use=recorder.in_use,
            handlers=tuple(sorted(handler.completed for handler in handlers)),
            replies=summed_replies(asker.replies for asker in askers if isinstance(asker, Tallied)),
            nodes=self._cluster.shares(recorder.by_pool) if self._cluster else {},
            series=recorder.series,
            cpu_ns=cost.cpu_ns,
            voluntary_switches=cost.voluntary_switches,
            involuntary_switches=cost.involuntary_switches,
        )


class _Handler:
    """One thread: thinks, asks, notes four instants, and hands full blocks over."""

    def __init__(  # noqa: PLR0913 - a handler brings all its parts together
        self,
        asker: Asker,
        *,
        commands: Iterator[tuple[Any, ...]],
        pace: Pace,
        recorder: Recorder,
        ledger: Ledger,
        rows: int,
    ) -> None:
        self.asker = asker
        self.completed = 0
        self.batched = 0
        self.due = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._commands = commands
        self._pace = pace
        self._recorder = recorder
        self._ledger = ledger
        self._block = bytearray(rows * COMMAND_ROW.size)
        self._opened = bytearray()
        self._failed = bytearray()
        self._handing_over = threading.Lock()
        self._abandoned = False

    def abandon(self) -> None:
        """Count what a stuck handler has noted so far, and nothing it may still note.

        The command it is stuck in counts as unfinished.
        """
        with self._handing_over:
            self._abandoned = True
            self._count(len(self._block))
            if self.due < self._recorder.window.closes:  # or it has just got through after all
                self._recorder.abandon(self.due)

    def _run(self) -> None:
        filled = len(self._block)
        while filled == len(self._block):
            filled = self._fill_block()
            self._hand_over(filled)

    def _fill_block(self) -> int:
        """Ask until the block is full or the window closes; give the bytes filled.

        This is the hot path: what it does besides asking is what valkeybench costs.
        """
        ask, lease, closes = self.asker.ask, self.asker.lease, self._recorder.window.closes
        block, pack, wait = self._block, COMMAND_ROW.pack_into, self._pace.wait
        offsets = range(0, len(block), COMMAND_ROW.size)
        for offset, command, pause in zip(offsets, self._commands, self._pace.pauses, strict=False):
            due = wait(pause) if pause else 0
            begun = clock()
            if begun >= closes:
                self._pace.give_up(due)
                self.due = begun  # nothing is under way any more
                return offset
            self.due = due = due or begun
            try:
                ask(*command)
            except Exception as error:  # noqa: BLE001 - a failed command is data, whatever it raised
                self._note_failed(begun, clock(), error)
                pack(block, offset, *_UNUSED_ROW)
                continue
            done = clock()
            if lease.opened:
                lease.opened = False
                self._note_opened(begun, done)
                pack(block, offset, *_UNUSED_ROW)
            else:
                pack(block, offset, due, begun, lease.held, lease.replied, done, lease.seen)
        return len(block)

    def _note_opened(self, begun: int, done: int) -> None:
        lease, window = self.asker.lease, self._recorder.window
        if window.opens <= done < window.closes:
            self.batched += lease.commands - 1
        self._opened += OPENED_ROW.pack(
            self.due, begun, lease.held, lease.replied, done, lease.seen, *self._ledger.notes.take()
        )

    def _note_failed(self, begun: int, done: int, error: Exception) -> None:
        what = self._ledger.notes.take()[len(OPENING) :]
        kind = _KIND_NUMBER[failure_kind(error)]
        row = (self.due, begun, done, self.asker.lease.seen, kind, *what)
        self._failed += FAILED_ROW.pack(*row)

    def _hand_over(self, filled: int) -> None:
        with self._handing_over:
            if not self._abandoned:
                self._count(filled)

    def _count(self, filled: int) -> None:
        with memoryview(self._block)[:filled] as rows:
            self.completed += self._recorder.record(rows)
        self._block[:filled] = bytes(filled)  # zeros are unused rows, should we be abandoned
        if self._opened:
            self.completed += self._recorder.record_opened(bytes(self._opened))
            self._opened.clear()
        if self._failed:
            self._recorder.record_failed(bytes(self._failed))
            self._failed.clear()


def _prewarm_histograms(columns: list[tuple[int, ...]]) -> dict[Phase, Histogram]:
    phases = zip(OPENING, columns, strict=False)
    return {phase: Histogram.of(lasted) for phase, lasted in phases if any(lasted)}


def _sleep_until(instant: int) -> None:
    while (left := instant - clock()) > 0:
        sleep(left / SECOND)
