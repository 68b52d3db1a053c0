"""The `asyncio` driver: handlers are tasks on one event loop, sharing redis.asyncio's pool."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from valkeybench.load.asking import drawn
from valkeybench.load.async_asking import Tallied, library, make_asker, make_common
from valkeybench.load.async_pace import OnSchedule, Thinking
from valkeybench.load.driver import (
    GRACE_NS,
    Cost,
    Prewarmed,
    in_use_left,
    make_recorder,
    measured,
)
from valkeybench.load.event_loops import lateness_of_pauses, loop_factory
from valkeybench.load.ledger import Shared, TaskLedger
from valkeybench.load.loop_lag import LoopLag
from valkeybench.load.notebook import UNUSED_ROW, Notebook
from valkeybench.load.pace import Schedule
from valkeybench.load.punctual import head_start_ns
from valkeybench.measurement.recorder import COMMAND_ROW
from valkeybench.plan.workload import has_batches, walk
from valkeybench.scenario.model import Pool, Think
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.load.async_asking import Asker
    from valkeybench.load.async_pace import Pace
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.recorder import Recorder, Window
    from valkeybench.plan.trial import Trial
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint


class TasksDriver:
    """Sends one process's share of a trial with tasks, and tells what it saw."""

    def __init__(
        self, trial: Trial, endpoint: Endpoint, *, process: int, grace_ns: int = GRACE_NS
    ) -> None:
        case = trial.case
        self._trial = trial
        self._grace_ns = grace_ns
        self._endpoint = endpoint
        self._process = process
        self._ledger = TaskLedger(Shared(), rtt_ns=case.rtt_ns)
        library(case)  # or it would be imported within the load, which takes longer than that
        self._common = make_common(case, endpoint, self._ledger)
        self._table = drawn(trial, process=process)
        self._prewarmed = Prewarmed()
        self._runner = asyncio.Runner(
            loop_factory=loop_factory(
                case.event_loop,
                punctual=_keeps_time(case),
                head_start_ns=head_start_ns() if case.rtt_ns else 0,
            )
        )
        if case.rtt_ns:
            self._ledger.late_seconds = self._runner.run(lateness_of_pauses())

    @property
    def prewarmed(self) -> int:
        """Count the connections opened before the load."""
        return len(self._prewarmed.rows)

    def prewarm(self) -> None:
        """Open every connection of the pool before the load; raises what the client raises."""
        needed = self._trial.prewarm or self._trial.case.pool is Pool.MULTIPLEXED
        if self._common is not None and needed:
            self._runner.run(self._prewarm())

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, give what was seen in it, and close every connection."""
        with self._runner:
            return self._runner.run(self._drive(window))

    async def _prewarm(self) -> None:
        pool: Any = self._common
        notes = self._ledger.notes
        begun = clock()
        taken = []
        try:
            for _ in range(pool.max_connections):
                connection = await pool.get_connection()
                connection.opening_ns = 0
                taken.append(connection)
                self._prewarmed.rows.append(notes.take())
        finally:
            for connection in taken:
                await pool.release(connection)
        self._prewarmed.lasted_ns = clock() - begun

    async def _drive(self, window: Window) -> Measurement:
        recorder = make_recorder(self._trial.case, window, self._common)
        schedule = Schedule.of(self._trial, window, process=self._process)
        handlers = self._make_handlers(recorder, schedule)
        lag = LoopLag(window)
        lag.start(asyncio.get_running_loop())
        tasks = {asyncio.create_task(handler.run()): handler for handler in handlers}
        cost = await self._watch(recorder)
        lag.stop()
        abandoned = await self._finish(tasks, window)
        left = in_use_left(self._trial.case, [self._common], self._ledger.shared)
        if self._common is not None:
            await self._common.disconnect()
        return measured(
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
            loop_lag=lag.histogram(),
        )

    def _make_handlers(self, recorder: Recorder, schedule: Schedule | None) -> list[_Handler]:
        trial, case = self._trial, self._trial.case
        seed = f"{trial.seed}/{self._process}"
        table = self._table
        batches = has_batches(trial.commands)
        handlers = []
        for number in range(case.concurrency):
            asker: Asker = make_asker(
                case,
                self._endpoint,
                self._common,
                self._ledger,
                batches=batches,
                as_given=trial.tally_replies,
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

    async def _watch(self, recorder: Recorder) -> Cost:
        """Sleep through the window, looking up only at the borders of its intervals."""
        series, window = recorder.series, recorder.window
        await _sleep_until(window.opens)
        before = Cost.now()
        for interval in range(series.length):
            series.open_connections[interval] = self._ledger.shared.open
            border = window.opens + (interval + 1) * series.interval_ns
            await _sleep_until(min(border, window.closes))
        return Cost.now() - before

    async def _finish(self, tasks: dict[asyncio.Task[None], _Handler], window: Window) -> int:
        """Wait for commands under way to end; cancel and count those that do not."""
        patience = max(window.closes + self._grace_ns - clock(), 0)
        done, stuck = await asyncio.wait(tasks, timeout=patience / SECOND)
        for task in stuck:
            tasks[task].notebook.abandon()
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        for task in done:
            task.result()  # raises what is no command's failure but a bug of ours
        return len(stuck)


class _Handler:
    """One task: thinks, asks, notes its instants, and hands full blocks over."""

    def __init__(  # noqa: PLR0913 - a handler brings all its parts together
        self,
        asker: Asker,
        *,
        commands: Iterator[tuple[Any, ...]],
        pace: Pace,
        closes: int,
        ledger: TaskLedger,
        notebook: Notebook,
    ) -> None:
        self.asker = asker
        self.notebook = notebook
        self._commands = commands
        self._pace = pace
        self._closes = closes
        self._ledger = ledger

    async def run(self) -> None:
        """Ask until the window closes."""
        self._ledger.turn_page()
        filled = len(self.notebook.block)
        while filled == len(self.notebook.block):
            filled = await self._fill_block()
            self.notebook.hand_over(filled)

    async def _fill_block(self) -> int:
        """Ask until the block is full or the window closes; give the bytes filled.

        This is the hot path: what it does besides asking is what valkeybench costs.
        """
        ask, lease, closes = self.asker.ask, self.asker.lease, self._closes
        notebook, pack, notes = self.notebook, COMMAND_ROW.pack_into, self._ledger.notes
        block, wait = notebook.block, self._pace.wait
        offsets = range(0, len(block), COMMAND_ROW.size)
        for offset, command, pause in zip(offsets, self._commands, self._pace.pauses, strict=False):
            due = await wait(pause) if pause else 0
            begun = clock()
            if begun >= closes:
                self._pace.give_up(due)
                notebook.due = closes  # nothing is under way any more
                return offset
            notebook.due = due = due or begun
            try:
                await ask(*command)
            except Exception as error:  # noqa: BLE001 - a failed command is data, whatever it raised
                notebook.note_failed(begun, clock(), lease.seen, error, notes)
                pack(block, offset, *UNUSED_ROW)
                # An exhausted pool refuses without waiting for anything, and who has a
                # connection must get the loop to give it back.
                await asyncio.sleep(0)
                continue
            done = clock()
            if lease.opened:
                lease.opened = False
                notebook.note_opened(begun, done, lease, notes)
                pack(block, offset, *UNUSED_ROW)
            else:
                pack(block, offset, due, begun, lease.held, lease.replied, done, lease.seen)
        return len(block)


def _keeps_time(case: Case) -> bool:
    """Tell whether a case asks for pauses that asyncio's timers are too coarse for."""
    pauses = case.think is not None and case.think.mean_ns
    return bool(case.rtt_ns or pauses) or case.rate is not None


async def _sleep_until(instant: int) -> None:
    while (left := instant - clock()) > 0:  # noqa: ASYNC110 - it is time it waits for
        await asyncio.sleep(left / SECOND)
