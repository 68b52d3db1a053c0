"""The `wire` driver: one event loop drives all handlers, and no client library is between."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.load.driver import Cost, summed_replies
from valkeybench.load.ledger import OpeningNotes
from valkeybench.load.pace import Schedule
from valkeybench.load.punctual import head_start_ns
from valkeybench.load.tally import Replies
from valkeybench.load.wire.failure import WireError
from valkeybench.load.wire.handlers import Handler, OnSchedule, Thinking
from valkeybench.load.wire.loop import Loop, Task
from valkeybench.load.wire.opening import Opener
from valkeybench.load.wire.pool import FifoPool
from valkeybench.load.wire.reopening import Refill
from valkeybench.load.wire.requests import encode_request
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.measurement.recorder import COMMAND_ROW, Recorder, Window
from valkeybench.plan.arrivals import think_times
from valkeybench.plan.workload import Batch, command_table, has_batches, walk
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.load.wire.handlers import Notebook
    from valkeybench.load.wire.loop import Steps
    from valkeybench.plan.trial import Trial
    from valkeybench.plan.workload import Request
    from valkeybench.server.endpoint import Endpoint

_GRACE_NS = 6 * SECOND
"""How long commands under way may take to end when the window has closed."""

_MOST_ENCODED_AHEAD = 1 << 26
"""Bytes of requests encoded before the load. More would not fit: they are encoded when their
turn comes, before they are begun, so that no phase holds it."""

_MOST_NOTED = COMMAND_ROW.size << 21
"""Bytes of notes before they are counted while the load goes on: 20 s of the fastest load, in
100 MB. From then on the loop pauses now and then to count, and commands take that longer."""


class WireDriver:
    """Sends one process's share of a trial from an event loop, and tells what it saw."""

    def __init__(
        self, trial: Trial, endpoint: Endpoint, *, process: int, grace_ns: int = _GRACE_NS
    ) -> None:
        case = trial.case
        self._trial = trial
        self._process = process
        self._grace_ns = grace_ns
        timeouts = [ns for ns in (case.socket_timeout_ns, case.connect_timeout_ns) if ns]
        self._loop = Loop(
            least_patience_ns=min(timeouts, default=None),
            head_start_ns=head_start_ns() if case.rtt_ns else 0,
        )
        self._opener = Opener(case, endpoint, self._loop)
        self._pool = _make_pool(trial, self._loop)
        self._seed = f"{trial.seed}/{process}"
        self._table = command_table(
            trial.commands, seed=self._seed, prefix=trial.key_prefix, value_size=case.value_size
        )
        ahead = sum(map(_size, self._table)) <= _MOST_ENCODED_AHEAD
        self._encoded = [encode_request(request) for request in self._table] if ahead else []
        self._replies = Replies() if trial.tally_replies else None
        self._prewarm_rows: list[tuple[int, ...]] = []
        self._prewarm_ns = 0

    @property
    def prewarmed(self) -> int:
        """Count the connections opened before the load."""
        return len(self._prewarm_rows)

    def prewarm(self) -> None:
        """Open every connection of the pool, one after the other; raises WireError or OSError."""
        if self._pool is None or not self._trial.prewarm:
            return
        begun = clock()
        prewarming = _Prewarming(self._loop, self._opener, self._pool)
        self._loop.spawn(prewarming)
        self._loop.run()
        self._prewarm_rows = prewarming.rows
        self._prewarm_ns = clock() - begun
        if prewarming.failed is not None:
            self._close()
            raise prewarming.failed

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, and give what was seen in it."""
        size = None if self._pool is None else self._pool.size
        schedule = Schedule.of(self._trial, window, process=self._process)
        recorder = Recorder(
            window,
            capacity=size,
            in_use=lambda free: (size or 0) - free,
            arrivals_open=schedule is not None,
            fine=self._trial.case.disturb is not None,
        )
        refill = self._refill(window)
        handlers = self._make_handlers(window, schedule)
        notebooks = [handler.notebook for handler in handlers]
        watching = _Watching(self._loop, recorder, notebooks, self._opener)
        for task in (watching, *handlers):
            self._loop.spawn(task)
        stuck = set(self._loop.run(until=window.closes + self._grace_ns))
        in_use = len(self._opener.open_now) if self._pool is None else self._pool.in_use
        if refill is not None:
            in_use -= refill.opening_now
            recorder.count_opened_unasked(refill.opened)
        self._close()
        for notebook in notebooks:
            notebook.hand_over(recorder)
        left = [handler for handler in handlers if handler in stuck]
        for handler in left:
            recorder.abandon(handler.due)
        seen = self._measurement(recorder, handlers, schedule, watching.cost, abandoned=len(left))
        seen = replace(seen, in_use_left=in_use)
        if refill is None:
            return seen
        return replace(seen, reopened=refill.instants, reopening_failed=dict(refill.failed))

    def _refill(self, window: Window) -> Refill | None:
        """Let the pool open lost connections by itself, where that is asked for."""
        within_ns = self._trial.case.reconnect_within_ns
        if within_ns is None or self._pool is None:
            return None
        return Refill(
            self._pool,
            self._opener,
            self._loop,
            window,
            within_ns=within_ns,
            seed=f"{self._seed}/refill",
        )

    def _make_handlers(self, window: Window, schedule: Schedule | None) -> list[Handler]:
        case, batches = self._trial.case, has_batches(self._trial.commands)
        return [
            Handler(
                self._requests(number),
                pace=self._pace(schedule, seed=f"{self._seed}/{number}"),
                pool=self._pool,
                opener=self._opener,
                loop=self._loop,
                window=window,
                replies=self._replies,
                case=case,
                batches=batches,
            )
            for number in range(case.concurrency)
        ]

    def _requests(self, number: int) -> Iterator[bytes]:
        """Walk the table of requests round and round, each handler from its own place."""
        first = number * len(self._table) // self._trial.case.concurrency
        if self._encoded:
            return walk(self._encoded, first)
        return map(encode_request, walk(self._table, first))

    def _pace(self, schedule: Schedule | None, *, seed: str) -> Thinking | OnSchedule | None:
        if schedule is not None:
            return OnSchedule(schedule)
        think = self._trial.case.think
        return Thinking(think_times(think, seed=seed)) if think and think.mean_ns else None

    def _close(self) -> None:
        self._opener.close()
        self._loop.close()

    def _measurement(
        self,
        recorder: Recorder,
        handlers: list[Handler],
        schedule: Schedule | None,
        cost: Cost,
        *,
        abandoned: int,
    ) -> Measurement:
        columns = list(zip(*self._prewarm_rows, strict=True))
        return Measurement(
            window_ns=recorder.window.length_ns,
            completed=recorder.completed,
            batched=sum(handler.batched for handler in handlers),
            unfinished=recorder.unfinished,
            dropped=0 if schedule is None else schedule.dropped(),
            offered=0 if schedule is None else schedule.offered,
            abandoned=abandoned,
            failures=recorder.failures,
            error_replies=dict(recorder.error_replies),
            histograms=recorder.histograms(),
            prewarm=_prewarm_histograms(columns),
            prewarm_ns=self._prewarm_ns,
            prewarmed=Opening(*(sum(column) for column in columns[len(OPENING) :])),
            warmup=recorder.warmup,
            opened=recorder.opened,
            got_through=self._opener.got_through,
            open_max=self._opener.open_max,
            setup=dict(self._opener.setup),
            setup_refused=dict(self._opener.refused),
            in_use=recorder.in_use,
            handlers=tuple(sorted(handler.notebook.completed for handler in handlers)),
            replies=summed_replies([] if self._replies is None else [self._replies]),
            series=recorder.series,
            cpu_ns=cost.cpu_ns,
            voluntary_switches=cost.voluntary_switches,
            involuntary_switches=cost.involuntary_switches,
        )


class _Prewarming(Task):
    """Opens the connections of a pool, one after the other so that none delays another."""

    __slots__ = ("_loop", "_opener", "_pool", "failed", "rows")

    def __init__(self, loop: Loop, opener: Opener, pool: FifoPool) -> None:
        super().__init__()
        self._loop = loop
        self._opener = opener
        self._pool = pool
        self.patience_ns = opener.patience_ns
        self.rows: list[tuple[int, ...]] = []
        self.failed: WireError | OSError | None = None
        self.begins(self._run())

    def _run(self) -> Steps:
        notes = OpeningNotes()
        try:
            for _ in range(self._pool.size):
                connection = yield from self._opener.open(self, notes, begun=clock())
                self._pool.free.remove(None)
                self._pool.admit(connection)
                self._pool.give(connection)
                self.rows.append(notes.take())
        except (WireError, OSError) as error:
            self.failed = error
        yield from self._loop.end(self)


class _Watching(Task):
    """Looks up at the borders of the window and of its intervals."""

    __slots__ = ("_loop", "_notebooks", "_opener", "_recorder", "cost")

    def __init__(
        self, loop: Loop, recorder: Recorder, notebooks: Sequence[Notebook], opener: Opener
    ) -> None:
        super().__init__()
        self._loop = loop
        self._recorder = recorder
        self._notebooks = notebooks
        self._opener = opener
        self.cost = Cost(0, 0, 0)
        self.begins(self._run())

    def _run(self) -> Steps:
        series, window = self._recorder.series, self._recorder.window
        yield from self._loop.pause(self, window.opens)
        before = Cost.now()
        for interval in range(series.length):
            series.open_connections[interval] = len(self._opener.open_now)
            border = window.opens + (interval + 1) * series.interval_ns
            yield from self._loop.pause(self, min(border, window.closes))
            if sum(notebook.noted for notebook in self._notebooks) > _MOST_NOTED:
                for notebook in self._notebooks:
                    notebook.hand_over(self._recorder)
        self.cost = Cost.now() - before
        yield from self._loop.end(self)


def _size(request: Request) -> int:
    commands = request.commands if isinstance(request, Batch) else (request,)
    return sum(len(word) for command in commands for word in command)


def _make_pool(trial: Trial, loop: Loop) -> FifoPool | None:
    case = trial.case
    if case.max_connections is None:
        return None
    return FifoPool(
        case.max_connections, loop, waits=case.pool.waits, timeout_ns=case.pool_timeout_ns
    )


def _prewarm_histograms(columns: list[tuple[int, ...]]) -> dict[Phase, Histogram]:
    phases = zip(OPENING, columns, strict=False)
    return {phase: Histogram.of(lasted) for phase, lasted in phases if any(lasted)}
