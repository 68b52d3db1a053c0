"""Believable run files made of wishes, for tests that need a run and no server.

Everything adds up as in a real run: attempted = completed + failed + unfinished + dropped,
the phases' means sum to the service's, handlers sum to completed, in-use counts to acquires,
and histograms hold what the summaries say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from math import comb, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.results.placed import Place, Process, Worker
from valkeybench.results.runfile import (
    CaseRecord,
    Client,
    Interval,
    Prewarm,
    Reading,
    Recommendation,
    RunFile,
    RunWarning,
    Server,
    Summary,
    Tool,
    Trial,
)
from valkeybench.results.summary import phase_summaries, phase_summary, summarise
from valkeybench.scenario.model import Case, Distribution, Pool, Scenario, Think, plain
from valkeybench.units import MILLISECOND, SECOND, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Each = float | Sequence[float]
    """One value for every repeat, or one per repeat."""

INTERVALS = 10
"""Slices of each trial's series."""

_POOLED_MS = {Phase.POOL_WAIT: 0.02, Phase.COMMAND: 0.17, Phase.RELEASE: 0.01}
_UNPOOLED_MS = {
    Phase.CONSTRUCT: 0.9,
    Phase.CONNECT: 0.15,
    Phase.HANDSHAKE: 0.6,
    Phase.COMMAND: 0.17,
    Phase.RELEASE: 0.08,
}
_JITTER = (1.0, 1.02, 0.99)
"""How much a repeat's p99 differs from the first's; throughput differs a tenth of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a case should look like; anything not wished for is healthy. Counts are per trial."""

    id: str | None = None
    repeats: int = 3
    duration_ms: int = 3000
    phases: Mapping[str, float] | None = None
    """Mean milliseconds of each part; service and response are their sum."""
    p99_ms: Each | None = None
    """Response p99; every part scatters alike."""
    throughput: Each | None = None
    in_use: Sequence[float] | Sequence[Sequence[float]] | None = None
    """Weights of finding 0, 1, 2, … connections taken; a list of lists is one per repeat."""
    cpu_share: Each = 0.35
    server_cpu_share: Each | None = 0.1
    starved: int = 0
    fairness: float | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    unfinished: int = 0
    unfinished_ms: float | None = None
    """How old unfinished commands were; the age of any other command unless wished."""
    dropped: int = 0
    late_ms: float = 0.0
    """How late each command of an open load was begun."""
    retried: int = 0
    out_of_range: int = 0
    """Samples that no histogram could take."""
    batched: int = 0
    """Commands of completed requests beyond the first of each."""
    prewarmed: int | None = None
    opened: int | None = None
    connections_counted: int | None = None
    """What the server counted; as many as it did not reject of ours unless wished otherwise."""
    setup_round_trips: float | None = 4.0
    setup_refused: float | None = 1.0
    abandoned: int = 0
    in_use_left: int = 0
    drift: float = 0.0
    """By which share the second half is slower than the first."""
    evicted: int = 0
    rejected: int = 0
    loop_lag_ms: float | None = None
    """How late the event loop was, always; None is no event loop."""
    lost: bool = False
    server: bool = True
    """Whether the server told anything."""
    place: Place | None = None
    """Where processes ran, in every repeat; what each did need not add up."""


_AXES = {axis.name for axis in fields(Case)}


def case_record(
    pool: str = "blocking",
    max_connections: int | None = 10,
    *,
    concurrency: int = 50,
    think: str = "10ms",
    **wishes: Any,  # noqa: ANN401 - every field of two records
) -> CaseRecord:
    """Make a case and its trials; every other field of `Case` and of `Wish` is a keyword."""
    axes = {name: wishes.pop(name) for name in set(wishes) & _AXES}
    case = Case(
        pool=Pool(pool),
        max_connections=max_connections,
        concurrency=concurrency,
        think=_think(think),
        **axes,
    ).meaningful()
    wish = Wish(**wishes)
    trials = [_Trial(case, wish, repeat) for repeat in range(wish.repeats)]
    return CaseRecord(
        id=wish.id or _name(case),
        axes=plain(case),
        summary=_summary(sum((trial.seen for trial in trials), Measurement()), case, wish)
        if trials
        else None,
        trials=[trial.record() for trial in trials],
    )


def place_record(
    *workers: Worker, cpu_shares: Sequence[float] = (0.3, 0.3), began_ms: Sequence[int] = (-500,)
) -> Place:
    """Make a place of these workers; processes have these shares of a CPU, and began then."""
    workers = workers or (Worker(name="local", cpus=8, processes=list(range(len(cpu_shares)))),)
    began = [began_ms[number % len(began_ms)] for number in range(len(cpu_shares))]
    return Place(
        workers=list(workers),
        processes=[
            Process(
                process=number,
                worker=next(worker.name for worker in workers if number in worker.processes),
                throughput=1000.0 + number,
                completed=3000 + 3 * number,
                failed=0,
                cpu_ns=round(share * 3 * SECOND),
                cpu_share=share,
                began_ns=began[number] * MILLISECOND,
            )
            for number, share in enumerate(cpu_shares)
        ],
        skew_ns=(max(began) - min(began)) * MILLISECOND,
        clock_error_ns=max(worker.clock_error_ns for worker in workers),
    )


def run_file(
    *cases: CaseRecord,
    warnings: Sequence[RunWarning] = (),
    recommendations: Sequence[Recommendation] = (),
    **overrides: Any,  # noqa: ANN401 - every field of a record
) -> RunFile:
    """Put cases into a run; the other fields of `RunFile` are keywords."""
    scenario = plain(Scenario())
    scenario["repeats"] = max((len(case.trials) for case in cases), default=0)
    for name in scenario["axes"]:
        values = [case.axes[name] for case in cases if case.axes[name] is not None]
        scenario["axes"][name] = [v for i, v in enumerate(values) if v not in values[:i]]
    made = {
        "tool": Tool(version="0.1.0"),
        "created": "2026-01-02T03:04:05Z",
        "status": "complete",
        "environment": {
            "python": "3.11.7",
            "implementation": "CPython",
            "gil": True,
            "debug_build": False,
            "packages": {"redis": "8.1.0", "hiredis": "3.2.0", "valkey": None},
            "system": "Linux",
            "kernel": "6.1",
            "machine": "x86_64",
            "cpu": "Example CPU",
            "cpus": 2,
            "cpus_usable": 2,
            "load_average": [0.1, 0.2, 0.3],
            "open_files_limit": 1024,
            "port_range": [32768, 60999],
            "server": {
                "version": "9.1.2",
                "flavour": "valkey",
                "mode": "standalone",
                "role": "master",
                "maxclients": 10000,
                "tls": False,
                "address": "valkey://127.0.0.1:6379/0",
                "provider": "embedded",
            },
        },
        "scenario": scenario,
        "warnings": list(warnings),
        "cases": list(cases),
        "recommendations": list(recommendations),
    }
    return RunFile(**{**made, **overrides})


def _think(text: str) -> Think:
    words = text.split()
    distribution = Distribution(words[0]) if len(words) > 1 else Distribution.EXPONENTIAL
    return Think(parse_duration(words[-1]), distribution)


def _name(case: Case) -> str:
    words = [str(case.pool)]
    if case.max_connections is not None:
        words.append(f"m{case.max_connections}")
    words.append(f"c{case.concurrency}")
    usual = Case(pool=case.pool, concurrency=case.concurrency).meaningful()
    words += [
        f"{axis.name}={getattr(case, axis.name)}"
        for axis in fields(Case)
        if axis.name != "max_connections" and getattr(case, axis.name) != getattr(usual, axis.name)
    ]
    return "-".join(words)


def _each(value: Each, repeat: int) -> float:
    return float(value) if isinstance(value, int | float) else value[repeat]


class _Trial:
    """One trial while it is being made up."""

    def __init__(self, case: Case, wish: Wish, repeat: int) -> None:
        self.case, self.wish, self.repeat = case, wish, repeat
        self.duration_ns = wish.duration_ms * MILLISECOND
        pooled = case.pool.is_pooled
        self.parts = {
            Phase(name): mean
            for name, mean in (wish.phases or (_POOLED_MS if pooled else _UNPOOLED_MS)).items()
        }
        self.mean_ms = sum(self.parts.values())
        self.failed = sum(wish.failures.values())
        self.completed = max(round(self._throughput() * wish.duration_ms / 1000), 0)
        self.prewarmed = case.most_connections if pooled else 0
        if wish.prewarmed is not None:
            self.prewarmed = wish.prewarmed
        self.opened = 0 if pooled else self.completed + self.failed
        if wish.opened is not None:
            self.opened = wish.opened
        self.counts = self._in_use() if pooled else []
        self.handlers = self._handlers()
        self.histograms = self._histograms()
        self.seen = Measurement(
            window_ns=self.duration_ns * case.processes,
            completed=self.completed,
            batched=wish.batched,
            unfinished=wish.unfinished,
            dropped=wish.dropped,
            offered=round((case.rate or 0) * wish.duration_ms / 1000),
            retries=wish.retried,
            failures=dict(wish.failures),
            histograms=self.histograms,
            prewarmed=Opening(self.prewarmed),
            opened=Opening(self.opened),
            got_through=self.prewarmed + self.opened,
            in_use=np.array(self.counts, np.int64),
            handlers=tuple(self.handlers),
            loop_lag=self._lag(),
        )

    def _lag(self) -> Histogram | None:
        lag = self.wish.loop_lag_ms
        return None if lag is None else Histogram.of([round(lag * MILLISECOND)] * 600)

    def _jitter(self) -> float:
        return _JITTER[self.repeat % len(_JITTER)]

    def _throughput(self) -> float:
        if self.wish.throughput is not None:
            return _each(self.wish.throughput, self.repeat)
        case = self.case
        most = case.handlers / (
            (case.think.mean_ns if case.think else 0) / MILLISECOND + self.mean_ms
        )
        most = most if case.rate is None else case.rate / 1000
        can = case.most_connections / self.mean_ms
        return 1000 * min(most, can) * (1 - (self._jitter() - 1) / 10)

    def _in_use(self) -> list[int]:
        """Share the acquires out; unless wished, as handlers that never wait would find them."""
        case, wished = self.case, self.wish.in_use
        most = case.max_connections or 1
        if wished is None:
            others = case.concurrency - 1
            think_ms = (case.think.mean_ns if case.think else 0) / MILLISECOND
            busy = self.mean_ms / (self.mean_ms + think_ms)
            if case.rate is not None:
                busy = case.rate / 1000 * self.mean_ms / case.handlers
            shares = [
                comb(others, k) * busy**k * (1 - busy) ** (others - k) for k in range(others + 1)
            ]
            weights = [*shares[:most], sum(shares[most:])]
        else:
            one: Any = wished if isinstance(wished[0], int | float) else wished[self.repeat]
            weights = list(one)
        acquires = self.completed + self.failed
        edges = np.round(np.cumsum(weights) / sum(weights) * acquires).astype(int)
        counts = [int(count) for count in np.diff(edges, prepend=0)]
        filled = [k for k, count in enumerate(counts) if count]
        return counts[: filled[-1] + 1] if filled else []

    def _handlers(self) -> list[int]:
        fed = self.case.handlers - self.wish.starved
        starving = [1] * self.wish.starved
        rest = self.completed - sum(starving)
        return sorted(starving + [rest // fed + (i < rest % fed) for i in range(fed)])

    def _histograms(self) -> dict[Phase, Histogram]:
        p99 = None if self.wish.p99_ms is None else _each(self.wish.p99_ms, self.repeat)
        p99 = p99 or 3.5 * self.mean_ms * self._jitter()
        wholes = _scattered(self.completed, self.mean_ms, p99)
        found: dict[Phase, Histogram] = {}
        service = np.zeros(self.completed, np.int64)
        for phase, mean in self.parts.items():
            part = (wholes * (mean / self.mean_ms)).astype(np.int64)
            found[phase] = Histogram.of(part)
            service += part
        aged = self.wish.unfinished_ms
        ages = _scattered(self.wish.unfinished, aged or self.mean_ms, aged or p99)
        found[Phase.SERVICE] = Histogram.of(service)
        late = np.full(self.completed, self.wish.late_ms * MILLISECOND, np.int64)
        if self.case.rate is not None:
            found[Phase.LATENESS] = Histogram.of(late)
        found[Phase.RESPONSE] = Histogram.of(service + late) + Histogram.of(ages.astype(np.int64))
        found[Phase.FAILED] = Histogram.of(_scattered(self.failed, 0.2, 0.5).astype(np.int64))
        return {phase: histogram for phase, histogram in found.items() if histogram.count}

    def record(self) -> Trial:
        return Trial(
            repeat=self.repeat,
            started=f"2026-01-02T03:04:{5 + 4 * self.repeat:02}Z",
            duration_ns=self.duration_ns,
            summary=_summary(self.seen, self.case, self.wish),
            histograms={phase: _encoded(held) for phase, held in self.histograms.items()},
            in_use_counts=self.counts,
            series=self._series(),
            client=self._client(),
            server=self._server() if self.wish.server else None,
            handlers=self.handlers,
            place=self.wish.place,
        )

    def _series(self) -> list[Interval]:
        half, drift = INTERVALS // 2, self.wish.drift
        response = self.histograms.get(Phase.RESPONSE, Histogram.empty())
        wait = self.histograms.get(Phase.POOL_WAIT, Histogram.empty())
        p50, p99, p99_wait = response.quantile(0.5), response.quantile(0.99), wait.quantile(0.99)
        rate = self.completed / self.duration_ns * SECOND
        in_use = summarise(self.seen, processes=1).in_use

        def slower(value: int | None, by: float) -> int | None:
            return None if value is None else round(value * by)

        series = []
        for i in range(INTERVALS):
            speed = (1 - drift / 2 if i >= half else 1 + drift / 2) * (1 + 0.004 * (-1) ** i)
            series.append(
                Interval(
                    start_ns=i * self.duration_ns // INTERVALS,
                    throughput=rate * speed,
                    failed=self.failed // INTERVALS + (i < self.failed % INTERVALS),
                    response_p50_ns=slower(p50, 1 / speed),
                    response_p99_ns=slower(p99, 1 / speed),
                    pool_wait_p99_ns=slower(p99_wait, 1 / speed),
                    in_use_mean=in_use.mean if in_use else None,
                    in_use_max=in_use.max if in_use else None,
                    open_connections=self.prewarmed if self.case.pool.is_pooled else None,
                )
            )
        return series

    def _client(self) -> Client:
        share = _each(self.wish.cpu_share, self.repeat)
        prewarm = None
        if self.case.pool.is_pooled and self.prewarmed:
            opening = {
                phase: Histogram.of([round(mean * MILLISECOND)] * self.prewarmed)
                for phase, mean in _UNPOOLED_MS.items()
                if phase in OPENING
            }
            prewarm = Prewarm(
                connections=self.prewarmed,
                duration_ns=sum(held.total for held in opening.values()),
                phases=phase_summaries(opening),
            )
        return Client(
            cpu_ns=round(share * self.duration_ns * self.case.processes),
            cpu_share=share,
            voluntary_switches=2 * self.completed,
            involuntary_switches=self.completed // 100,
            prewarm=prewarm,
            pinned_to=None,
            abandoned=self.wish.abandoned,
            in_use_left=self.wish.in_use_left,
            loop_lag=phase_summary(self.seen.loop_lag) if self.seen.loop_lag else None,
        )

    def _server(self) -> Server:
        wish, opened = self.wish, self.prewarmed + self.opened
        share = None if wish.server_cpu_share is None else _each(wish.server_cpu_share, self.repeat)
        received = max(opened - wish.rejected, 0)
        counted = received if wish.connections_counted is None else wish.connections_counted
        open_now = 1 + (self.prewarmed if self.case.pool.is_pooled else 0)

        def reading(at_ns: int, **more: int) -> Reading:
            usual = {"connected_clients": open_now, "used_memory": 10**6 + 17_000 * open_now}
            return Reading(
                at_ns=at_ns, **{**usual, "mem_clients_normal": 17_000 * open_now, **more}
            )

        before = {"connected_clients": 1, "total_connections_received": 7, "commands_processed": 20}
        quiet = {"rejected_connections": 0, "evicted_keys": 0, "cpu_ns": 0}
        return Server(
            before=reading(-SECOND, **before, **quiet),
            ready=reading(0, total_connections_received=7 + self.prewarmed, **quiet),
            after=reading(
                self.duration_ns,
                total_connections_received=7 + counted,
                commands_processed=20 + self.completed,
                rejected_connections=wish.rejected,
                evicted_keys=wish.evicted,
                cpu_ns=round((share or 0) * self.duration_ns),
            ),
            samples=[reading(i * self.duration_ns // 4) for i in range(1, 4)],
            connections_counted=counted,
            cpu_share=share,
            lost=wish.lost,
        )


@lru_cache(maxsize=64)
def _normal(count: int) -> NDArray[np.float64]:
    draw = NormalDist().inv_cdf
    return np.array([draw((i + 0.5) / count) for i in range(count)])


def _scattered(count: int, mean_ms: float, p99_ms: float) -> NDArray[np.float64]:
    """Give log-normal durations (ns) with that p99, and that mean where the two can go together."""
    z99 = NormalDist().inv_cdf(0.99)
    spread = z99 - sqrt(max(z99**2 - 2 * log(max(p99_ms / mean_ms, 1.01)), 0.0))
    scattered: NDArray[np.float64] = p99_ms * MILLISECOND * np.exp(spread * (_normal(count) - z99))
    return scattered


@lru_cache(maxsize=512)
def _encoded_counts(filled: bytes) -> str:
    return Histogram.of_counts(np.frombuffer(filled, np.int64)).encode()


def _encoded(histogram: Histogram) -> str:
    return _encoded_counts(histogram.counts.tobytes())


def _summary(seen: Measurement, case: Case, wish: Wish) -> Summary:
    """Summarise as a run does, but for what was wished."""
    summary = summarise(seen, processes=case.processes)
    trials = 1 if not seen.window_ns else seen.window_ns // (wish.duration_ms * MILLISECOND)
    repeats = max(trials // case.processes, 1)
    connections = summary.connections.model_copy(
        update={
            "open_max": case.most_connections,
            "setup_round_trips": wish.setup_round_trips,
            "setup_refused": wish.setup_refused,
        }
    )
    fairness = summary.fairness if wish.fairness is None else wish.fairness
    return summary.model_copy(
        update={
            "connections": connections,
            "fairness": fairness,
            "starved": summary.starved // repeats,
            "out_of_range": wish.out_of_range * trials // case.processes,
        }
    )
