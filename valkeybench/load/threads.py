"""The `threads` driver: handlers are threads sharing redis-py's synchronous pool."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import perf_counter_ns as clock
from time import sleep
from typing import TYPE_CHECKING, Any

from valkeybench.load.asking import Tallied, drawn, library, make_asker, make_common
from valkeybench.load.cluster import make_cluster
from valkeybench.load.driver import (
    GRACE_NS,
    Cost,
    Prewarmed,
    in_use_left,
    make_recorder,
    measured,
)
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.load.notebook import UNUSED_ROW, Notebook
from valkeybench.load.pace import OnSchedule, Schedule, Thinking
from valkeybench.measurement.recorder import COMMAND_ROW
from valkeybench.plan.workload import has_batches, walk
from valkeybench.scenario.model import Pool, Think
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.load.asking import AnyPool, Asker
    from valkeybench.load.glide_asking import GlideConnection
    from valkeybench.load.pace import Pace
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.recorder import Recorder, Window
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint


class ThreadsDriver:
    """Sends one process's share of a trial with threads, and tells what it saw."""

    def __init__(
        self, trial: Trial, endpoint: Endpoint, *, process: int, grace_ns: int = GRACE_NS
    ) -> None:
        self._trial = trial
        self._grace_ns = grace_ns
        self._endpoint = endpoint
        self._process = process
        self._ledger = Ledger(Shared(), rtt_ns=trial.case.rtt_ns)
        case = trial.case
        library(case)  # or it would be imported within the load, which takes longer than that
        self._cluster = make_cluster(case, endpoint, self._ledger) if endpoint.nodes else None
        self._common = None if endpoint.nodes else make_common(case, endpoint, self._ledger)
        self._table = drawn(trial, process=process)
        self._prewarmed = Prewarmed()

    @property
    def prewarmed(self) -> int:
        """Count the connections opened before the load."""
        return len(self._prewarmed.rows)

    def prewarm(self) -> None:
        """Open every connection of the pool before the load; raises what the client raises."""
        if self._cluster is not None:
            self._cluster.find()
        if not (self._trial.prewarm or self._trial.case.pool is Pool.MULTIPLEXED):
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
                    self._prewarmed.rows.append(self._ledger.notes.take())
        finally:
            for pool, connection in taken:
                pool.release(connection)
        self._prewarmed.lasted_ns = clock() - begun

    def _pools(self) -> Sequence[AnyPool | GlideConnection]:
        """Give the pools all handlers share: one, one for each node of a cluster, or none."""
        if self._cluster is not None:
            return self._cluster.pools()
        return () if self._common is None else (self._common,)

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, and give what was seen in it."""
        several = 0 if self._cluster is None else self._cluster.numbers
        pool = next(iter(self._pools()), None)  # those of a cluster's nodes are all alike
        case = self._trial.case
        recorder = make_recorder(case, window, pool, pools=several)
        schedule = Schedule.of(self._trial, window, process=self._process)
        handlers = self._make_handlers(recorder, schedule)
        before: Cost | None = Cost.now()
        for handler in handlers:
            handler.thread.start()
        if clock() < window.opens:
            before = None  # to be read when it opens, which is yet to come
        cost = self._watch(recorder, before)
        abandoned = self._finish(handlers, recorder)
        left = in_use_left(case, self._pools(), self._ledger.shared)
        if self._common is not None and case.pool is Pool.MULTIPLEXED and not abandoned:
            self._common.disconnect()
        seen = measured(
            recorder,
            shared=self._ledger.shared,
            prewarmed=self._prewarmed,
            schedule=schedule,
            handlers=[handler.notebook.completed for handler in handlers],
            batched=sum(handler.notebook.batched for handler in handlers),
            replies=[h.asker.replies for h in handlers if isinstance(h.asker, Tallied)],
            cost=cost,
            abandoned=abandoned,
            left=left,
        )
        if self._cluster is None:
            return seen
        return replace(
            seen,
            warmup=seen.warmup + self._cluster.discovery,
            nodes=self._cluster.shares(recorder.by_pool),
        )

    def _make_handlers(self, recorder: Recorder, schedule: Schedule | None) -> list[_Handler]:
        trial, case = self._trial, self._trial.case
        seed = f"{trial.seed}/{self._process}"
        table = self._table
        batches = has_batches(trial.commands)
        handlers = []
        for number in range(case.concurrency):
            asker: Asker = (
                make_asker(
                    case,
                    self._endpoint,
                    self._common,
                    self._ledger,
                    batches=batches,
                    as_given=trial.tally_replies,
                )
                if self._cluster is None
                else self._cluster.make_asker()
            )
            handlers.append(
                _Handler(
                    Tallied(asker) if trial.tally_replies else asker,
                    commands=walk(table, number * len(table) // case.concurrency),
                    pace=Thinking(case.think or Think(0), f"{seed}/{number}", recorder.window)
                    if schedule is None
                    else OnSchedule(schedule, recorder.window),
                    closes=recorder.window.closes,
                    ledger=self._ledger,
                    notebook=Notebook(recorder, handlers=case.concurrency),
                )
            )
        return handlers

    def _watch(self, recorder: Recorder, before: Cost | None) -> Cost:
        """Sleep through the window, looking up only at the borders of its intervals.

        `before` is what was used when the window opened, if it is open already.
        """
        series, window = recorder.series, recorder.window
        _sleep_until(window.opens)
        before = before or Cost.now()
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


class _Handler:
    """One thread: thinks, asks, notes four instants, and hands full blocks over."""

    def __init__(  # noqa: PLR0913 - a handler brings all its parts together
        self,
        asker: Asker,
        *,
        commands: Iterator[tuple[Any, ...]],
        pace: Pace,
        closes: int,
        ledger: Ledger,
        notebook: Notebook,
    ) -> None:
        self.asker = asker
        self.notebook = notebook
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._commands = commands
        self._pace = pace
        self._closes = closes
        self._ledger = ledger

    def abandon(self) -> None:
        """Give a stuck handler up: what it may still note counts no more."""
        self.notebook.abandon()

    def _run(self) -> None:
        filled = len(self.notebook.block)
        while filled == len(self.notebook.block):
            filled = self._fill_block()
            self.notebook.hand_over(filled)

    def _fill_block(self) -> int:
        """Ask until the block is full or the window closes; give the bytes filled.

        This is the hot path: what it does besides asking is what valkeybench costs.
        """
        ask, lease, closes = self.asker.ask, self.asker.lease, self._closes
        notebook, pack, wait = self.notebook, COMMAND_ROW.pack_into, self._pace.wait
        block = notebook.block
        offsets = range(0, len(block), COMMAND_ROW.size)
        for offset, command, pause in zip(offsets, self._commands, self._pace.pauses, strict=False):
            due = wait(pause) if pause else 0
            begun = clock()
            if begun >= closes:
                self._pace.give_up(due)
                notebook.due = closes  # nothing is under way any more
                return offset
            notebook.due = due = due or begun
            try:
                ask(*command)
            except Exception as error:  # noqa: BLE001 - a failed command is data, whatever it raised
                notebook.note_failed(begun, clock(), lease.seen, error, self._ledger.notes)
                pack(block, offset, *UNUSED_ROW)
                continue
            done = clock()
            if lease.opened:
                lease.opened = False
                notebook.note_opened(begun, done, lease, self._ledger.notes)
                pack(block, offset, *UNUSED_ROW)
            else:
                pack(block, offset, due, begun, lease.held, lease.replied, done, lease.seen)
        return len(block)


def _sleep_until(instant: int) -> None:
    while (left := instant - clock()) > 0:
        sleep(left / SECOND)
