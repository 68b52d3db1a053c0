"""A pool, its handlers, a client's one CPU and a server, as events in virtual time.

It knows the truth: a size can be tried for as long as it takes, without noise between runs.
The pool barges as redis-py's does: who releases wakes a waiter, and whoever asks before the
waiter is awake takes the connection; the waiter goes back to the end of the line.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import exp
from random import Random
from typing import Any

import numpy as np

from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.results.runfile import (
    Client,
    Connections,
    InUse,
    PhaseSummary,
    Reading,
    Server,
    Summary,
    Trial,
)
from valkeybench.results.summary import jain_index, starved
from valkeybench.scenario.model import Arrivals, Case, Pool, Think
from valkeybench.units import MILLISECOND

_WAKE, _ASK, _SERVER, _BACK, _GIVE, _DUE = range(6)
_WARM_UP = 0.25
"""Of a trial's time before its window opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One application: times in milliseconds, rates per second."""

    name: str
    handlers: int
    think_ms: float = 10.0
    rate: float | None = None
    """Open arrivals instead of think time."""
    batch: int = 1
    """How many commands of an open load are due at once."""
    rtt_ms: float = 0.5
    jitter: float = 0.2
    """Sigma of the log-normal round trip."""
    client_ms: float = 0.05
    """Client CPU of a command; one command at a time has the CPU."""
    contention: float = 0.0
    """By how much each other command under way makes that dearer."""
    server_ms: float = 0.01
    slow_share: float = 0.0
    slow_ms: float = 0.0
    """How many commands keep their connection for so much longer, without keeping the server."""
    blocks: bool = False
    """Whether slow commands keep the server as well."""
    wake_ms: float = 0.03
    noise: float = 0.03
    """Standard deviation of each trial's speed, in logarithms."""

    def case(self, pool: Pool, size: int) -> Case:
        """Give the case valkeybench would run."""
        return Case(
            pool=pool,
            max_connections=size,
            concurrency=self.handlers,
            think=Think(round(self.think_ms * MILLISECOND)),
            rate=self.rate,
            arrivals=Arrivals.POISSON,
        ).meaningful()

    @property
    def per_second(self) -> float:
        """Give about how many commands a second are done by a pool that is no limit."""
        if self.rate is not None:
            return self.rate
        hold = self.rtt_ms + self.client_ms + self.server_ms + self.slow_share * self.slow_ms
        return min(
            1000 * self.handlers / (self.think_ms + hold),
            1000 / self.client_ms,
            1000 / (self.server_ms + (self.slow_share * self.slow_ms if self.blocks else 0)),
        )


@dataclass(slots=True)
class Seen:
    """What a simulated trial saw; times in milliseconds."""

    window_ms: float
    waits: list[float] = field(default_factory=list)
    services: list[float] = field(default_factory=list)
    responses: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    """How many acquires found 0, 1, 2, … connections taken."""
    handlers: list[int] = field(default_factory=list)
    exhausted: int = 0
    client_ms: float = 0.0
    server_ms: float = 0.0
    unfinished: int = 0
    dropped: int = 0
    offered: int = 0


def simulate(
    setting: Setting, size: int, *, commands: int, seed: object, pool: Pool = Pool.BLOCKING
) -> Seen:
    """Run one trial of about so many commands."""
    return _World(setting, size, pool, commands, Random(str(seed))).run()


class _World:  # one trial's state; a class only so that its loop stays readable
    def __init__(
        self, setting: Setting, size: int, pool: Pool, commands: int, draw: Random
    ) -> None:
        self.setting, self.size, self.pool, self.draw = setting, size, pool, draw
        window = 1000 * commands / setting.per_second
        self.opens = _WARM_UP * window
        self.closes = self.opens + window
        self.seen = Seen(window, found=[0] * (size + 1), handlers=[0] * setting.handlers)
        self.speed = exp(draw.gauss(0, setting.noise))

    def run(self) -> Seen:
        setting, seen, draw = self.setting, self.seen, self.draw
        opens, closes, size, speed = self.opens, self.closes, self.size, self.speed
        fair, raising = self.pool is Pool.FAIR, self.pool is Pool.RAISING
        think, wake = setting.think_ms, setting.wake_ms
        half_rtt, jitter = setting.rtt_ms / 2 * speed, setting.jitter
        cpu, dearer = setting.client_ms / 2 * speed, setting.contention
        expovariate, random = draw.expovariate, draw.random
        # exp(sigma·N) with mean 1, drawn from a table: it is asked for several times a command.
        spread = [exp(jitter * draw.gauss(0, 1) - jitter * jitter / 2) for _ in range(4096)]
        works = [exp(0.3 * draw.gauss(0, 1) - 0.045) for _ in range(4096)]
        events: list[tuple[float, int, int, int]] = []
        order = taken = 0
        cpu_free = server_free = 0.0
        waiting: deque[int] = deque()
        asked = [0.0] * setting.handlers
        began = [0.0] * setting.handlers
        due = [0.0] * setting.handlers
        granted = [0.0] * setting.handlers
        slow = [0.0] * setting.handlers
        busy = [False] * setting.handlers
        idle: deque[int] = deque(range(setting.handlers))
        backlog: deque[float] = deque()

        def ask(now: float, who: int) -> None:
            nonlocal order
            order += 1
            began[who] = asked[who] = now
            busy[who] = True
            heappush(events, (now, order, _ASK, who))

        def take(now: float, who: int) -> None:
            nonlocal taken, order, cpu_free
            taken += 1
            granted[who] = now
            slow[who] = setting.slow_ms * expovariate(1.0) if random() < setting.slow_share else 0.0
            cost = cpu * (1 + dearer * (taken - 1))
            start = max(cpu_free, now)
            cpu_free = start + cost
            if opens <= start < closes:
                seen.client_ms += cost
            order += 1
            there = cpu_free + half_rtt * spread[int(random() * 4096)]
            heappush(events, (there, order, _SERVER, who))

        if setting.rate is None:
            for who in range(setting.handlers):
                order += 1
                due[who] = expovariate(1.0) * think
                heappush(events, (due[who], order, _DUE, who))
        else:
            gap = 1000 * setting.batch / setting.rate
            heappush(events, (expovariate(1.0) * gap, 0, _DUE, -1))

        while events:
            now, _, what, who = heappop(events)
            if now >= closes:
                break
            if what == _ASK:
                if now >= opens:
                    seen.found[taken] += 1
                if taken < size and not (fair and waiting):
                    take(now, who)
                elif raising:
                    if now >= opens:
                        seen.exhausted += 1
                    busy[who] = False
                    if setting.rate is None:
                        order += 1
                        due[who] = now + expovariate(1.0) * think
                        heappush(events, (due[who], order, _DUE, who))
                    elif backlog:
                        due[who] = backlog.popleft()
                        ask(now, who)
                    else:
                        idle.append(who)
                else:
                    waiting.append(who)
            elif what == _SERVER:
                work = setting.server_ms * speed * works[int(random() * 4096)]
                held = slow[who]
                if setting.blocks:
                    work, held = work + held, 0.0
                start = max(server_free, now)
                server_free = start + work
                if opens <= start < closes:
                    seen.server_ms += work
                order += 1
                back = server_free + held + half_rtt * spread[int(random() * 4096)]
                heappush(events, (back, order, _BACK, who))
            elif what == _BACK:
                cost = cpu * (1 + dearer * (taken - 1))
                start = max(cpu_free, now)
                cpu_free = start + cost
                if opens <= start < closes:
                    seen.client_ms += cost
                order += 1
                heappush(events, (cpu_free, order, _GIVE, who))
            elif what == _GIVE:
                if waiting:
                    # Woken is not served, unless the pool is fair and keeps it for who is woken.
                    order += 1
                    heappush(events, (now + wake, order, _WAKE, waiting.popleft()))
                    if not fair:
                        taken -= 1
                else:
                    taken -= 1
                busy[who] = False
                if now >= opens:
                    seen.handlers[who] += 1
                    seen.services.append(now - began[who])
                    seen.waits.append(granted[who] - asked[who])
                    seen.responses.append(now - due[who])
                    seen.late.append(began[who] - due[who])
                if setting.rate is None:
                    order += 1
                    due[who] = now + (expovariate(1.0) * think if think else 0.0)
                    heappush(events, (due[who], order, _DUE, who))
                elif backlog:
                    due[who] = backlog.popleft()
                    ask(now, who)
                else:
                    idle.append(who)
            elif what == _WAKE:
                if fair:
                    taken -= 1
                    take(now, who)
                elif taken < size:
                    take(now, who)
                else:
                    waiting.append(who)
            elif who >= 0:
                ask(now, who)
            else:
                for _ in range(setting.batch):
                    seen.offered += now >= opens
                    if idle:
                        one = idle.popleft()
                        due[one] = now
                        ask(now, one)
                    else:
                        backlog.append(now)
                order += 1
                heappush(events, (now + expovariate(1.0) * gap, order, _DUE, -1))
        for who in range(setting.handlers):
            if busy[who]:
                seen.unfinished += 1
                seen.responses.append(closes - due[who])
        seen.dropped = len(backlog)
        return seen


def trial(setting: Setting, case: Case, *, commands: int, repeat: int, seed: object) -> Trial:
    """Run one trial and keep it as valkeybench would, without histograms and series."""
    seen = simulate(
        setting, case.max_connections or 1, commands=commands, seed=seed, pool=case.pool
    )
    window_ns = round(seen.window_ms * MILLISECOND)
    return Trial(
        repeat=repeat,
        started="2026-01-02T03:04:05Z",
        duration_ns=window_ns,
        summary=summary(setting, seen),
        histograms={},
        in_use_counts=_trimmed(seen.found),
        series=[],
        client=Client(
            cpu_ns=round(seen.client_ms * MILLISECOND),
            cpu_share=seen.client_ms / seen.window_ms,
            voluntary_switches=0,
            involuntary_switches=0,
            prewarm=None,
            pinned_to=None,
        ),
        server=_server(seen),
        handlers=sorted(seen.handlers),
    )


def summary(setting: Setting, seen: Seen) -> Summary:
    """Summarise what a simulated trial saw."""
    completed = sum(seen.handlers)
    times = {
        Phase.LATENESS: seen.late if setting.rate is not None else [],
        Phase.POOL_WAIT: seen.waits,
        Phase.SERVICE: seen.services,
        Phase.RESPONSE: seen.responses,
    }
    opened = Connections(prewarmed=0, opened=0, open_max=0)
    return Summary(
        throughput=completed / seen.window_ms * 1000,
        attempted=completed + seen.exhausted + seen.unfinished + seen.dropped,
        completed=completed,
        failed=seen.exhausted,
        unfinished=seen.unfinished,
        dropped=seen.dropped,
        offered=seen.offered or None,
        failures={FailureKind.POOL_EXHAUSTED: seen.exhausted} if seen.exhausted else {},
        fairness=jain_index(seen.handlers),
        starved=starved(seen.handlers),
        connections=opened,
        in_use=_in_use(seen.found),
        phases={phase.value: _phase(values) for phase, values in times.items() if values},
    )


def p99_and_rate(
    setting: Setting, size: int, *, commands: int, seed: object
) -> tuple[float, float]:
    """Give what a long trial without noise says: response p99 in milliseconds, throughput."""
    seen = simulate(replace(setting, noise=0.0), size, commands=commands, seed=seed)
    p99 = float(np.quantile(seen.responses, 0.99)) if seen.responses else float("inf")
    return p99, sum(seen.handlers) / seen.window_ms * 1000


def _phase(values: list[float]) -> PhaseSummary:
    held = np.asarray(values)
    quantiles = np.quantile(held, [0.5, 0.9, 0.99, 0.999], method="inverted_cdf")
    p50, p90, p99, p999 = (max(round(q * MILLISECOND), 0) for q in quantiles)
    made: dict[str, Any] = {
        "count": len(values),
        "min_ns": max(round(float(held.min()) * MILLISECOND), 0),
        "mean_ns": float(held.mean()) * MILLISECOND,
        "p50_ns": p50,
        "p90_ns": p90,
        "p99_ns": p99,
        "p999_ns": p999,
        "max_ns": max(round(float(held.max()) * MILLISECOND), 0),
    }
    return PhaseSummary(**made)


def _in_use(found: list[int]) -> InUse | None:
    counts = np.asarray(found)
    total = int(counts.sum())
    if not total:
        return None
    p99, p999 = (int(np.searchsorted(np.cumsum(counts), share * total)) for share in (0.99, 0.999))
    mean = float(counts @ np.arange(counts.size)) / total
    return InUse(mean=mean, p99=p99, p999=p999, max=int(np.flatnonzero(counts)[-1]))


def _server(seen: Seen) -> Server:
    reading = Reading(at_ns=0)
    return Server(
        before=reading,
        ready=reading,
        after=reading,
        samples=[],
        connections_counted=None,
        cpu_share=seen.server_ms / seen.window_ms,
    )


def _trimmed(counts: list[int]) -> list[int]:
    filled = [index for index, count in enumerate(counts) if count]
    return counts[: filled[-1] + 1] if filled else []
