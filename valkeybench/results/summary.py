"""Turns what was seen into what is kept: measurements into the records of the run file."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.reading import ServerReading
from valkeybench.measurement.reply_codes import most_frequent
from valkeybench.measurement.series import coarse_quantile
from valkeybench.results.placed import Place, Process, Worker
from valkeybench.results.recovered import Disturbance
from valkeybench.results.runfile import (
    CaseRecord,
    Client,
    Connections,
    Interval,
    InUse,
    PhaseSummary,
    Prewarm,
    Reading,
    Server,
    Summary,
    Trial,
)
from valkeybench.scenario.model import Pool, plain
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from valkeybench.measurement.histogram import Histogram
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.placing import Placing
    from valkeybench.measurement.series import Series
    from valkeybench.measurement.watch import ServerWatch
    from valkeybench.plan.trial import Trial as PlannedTrial
    from valkeybench.scenario.model import Case

STARVED_PART = 10
"""A handler is starved when it did less than the mean divided by this. The median would not
do: when a pool starves its waiters, most of them are."""


def trial_record(
    trial: PlannedTrial,
    started: str,
    seen: Measurement,
    watch: ServerWatch,
    placing: Placing | None = None,
) -> Trial:
    """Keep one trial."""
    return Trial(
        repeat=trial.repeat,
        started=started,
        duration_ns=trial.duration_ns,
        summary=summarise(
            seen, processes=trial.case.processes, opened_in_sight=_in_sight(trial.case)
        ),
        histograms={phase.value: h.encode() for phase, h in seen.histograms.items()},
        in_use_counts=_trimmed(seen.in_use),
        series=intervals(seen.series),
        client=_client(trial, seen),
        server=server_record(watch),
        handlers=list(seen.handlers),
        place=place_record(placing) if placing is not None else None,
        replies=dict(seen.replies) if trial.tally_replies else None,
        disturbance=disturbance_record(watch, seen),
    )


def case_record(case: Case, axes_id: str, trials: Sequence[Trial], seen: Measurement) -> CaseRecord:
    """Keep one case with the trials it has so far, and what they saw together in its summary."""
    summary = None
    if trials:
        together = summarise(seen, processes=case.processes, opened_in_sight=_in_sight(case))
        # Trials follow one another: what was open at once in each does not add up, and the
        # handlers of one are not those of another.
        open_max = max(trial.summary.connections.open_max for trial in trials)
        connections = together.connections.model_copy(update={"open_max": open_max})
        worst = max(trial.summary.starved for trial in trials)
        summary = together.model_copy(update={"connections": connections, "starved": worst})
    return CaseRecord(
        id=axes_id,
        axes=plain(case),
        rtt_emulated=bool(case.rtt_ns),
        summary=summary,
        trials=list(trials),
    )


def _in_sight(case: Case) -> bool:
    return case.pool is not Pool.MULTIPLEXED


def summarise(seen: Measurement, *, processes: int, opened_in_sight: bool = True) -> Summary:
    """Work out what a measurement says, for a case with that many processes.

    What opening its connections took is not known where a client does it out of sight.
    """
    seconds = seen.window_ns / SECOND / processes
    return Summary(
        throughput=seen.completed / seconds if seconds else 0.0,
        attempted=seen.attempted,
        completed=seen.completed,
        commands=seen.commands,
        failed=seen.failed,
        unfinished=seen.unfinished,
        dropped=seen.dropped,
        offered=seen.offered or None,
        retries=seen.retries,
        failures=dict(seen.failures),
        error_replies=most_frequent(seen.error_replies),
        fairness=jain_index(seen.handlers),
        starved=starved(seen.handlers),
        connections=_connections(seen, in_sight=opened_in_sight),
        in_use=in_use(seen.in_use),
        phases=phase_summaries(seen.histograms),
        out_of_range=sum(h.out_of_range for h in seen.histograms.values()),
    )


def jain_index(shares: Sequence[int]) -> float | None:
    """Give Jain's fairness index (Σx)² / (n Σx²): 1 is even; None when nothing was done.

    Jain, Chiu, Hawe: A quantitative measure of fairness and discrimination, DEC TR-301, 1984.
    """
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None


def starved(shares: Sequence[int]) -> int:
    """Count the handlers that completed less than a tenth of the mean.

    None where that is less than one command: who did none then may have had none to do.
    """
    total = sum(shares)
    if total < STARVED_PART * len(shares):
        return 0
    return sum(share * len(shares) * STARVED_PART < total for share in shares)


def phase_summaries(histograms: Mapping[Phase, Histogram]) -> dict[str, PhaseSummary]:
    """Summarise every phase that has samples, in the order of a command's life."""
    return {
        phase.value: phase_summary(histograms[phase])
        for phase in Phase
        if phase in histograms and histograms[phase].count
    }


def intervals(series: Series) -> list[Interval]:
    """Write a series out, one record for each interval."""
    seconds = series.interval_ns / SECOND
    return [
        Interval(
            start_ns=index * series.interval_ns,
            throughput=int(series.completed[index]) / seconds,
            failed=int(series.failed[index]),
            response_p50_ns=coarse_quantile(series.response[index], 0.5),
            response_p99_ns=coarse_quantile(series.response[index], 0.99),
            pool_wait_p99_ns=coarse_quantile(series.pool_wait[index], 0.99),
            in_use_mean=int(series.in_use_sum[index]) / int(series.acquires[index])
            if series.acquires[index]
            else None,
            in_use_max=int(series.in_use_max[index]) if series.acquires[index] else None,
            open_connections=int(series.open_connections[index])
            if series.open_connections[index] >= 0
            else None,
            failures=series.failures_in(index),
            opened=int(series.opened[index]),
        )
        for index in range(series.length)
    ]


def server_record(watch: ServerWatch) -> Server:
    """Keep what the server said around and during a trial, timed from the window's opening."""
    before, after = watch.before, watch.after
    counted = None
    if watch.is_one_life:
        counted = _grown(before.total_connections_received, after.total_connections_received)
    shares = [_server_cpu_share(each) for each in watch.of_nodes() or (watch,)]
    return Server(
        before=_reading(before, watch.opens_ns),
        ready=_reading(watch.ready, watch.opens_ns),
        after=_reading(after, watch.opens_ns),
        samples=[_reading(sample, watch.opens_ns) for sample in watch.samples],
        # Of a server that is gone the last that is known is from before the load.
        connections_counted=None
        if counted is None or watch.lost
        else max(counted - watch.own_connections, 0),
        cpu_share=max((share for share in shares if share is not None), default=None),
        lost=watch.lost,
        restarted=not watch.is_one_life,
        errors=_errors(before, after) if watch.is_one_life else None,
        listen_overflows=watch.listen_overflows,
        listen_drops=watch.listen_drops,
    )


def _errors(before: ServerReading, after: ServerReading) -> dict[str, int] | None:
    """Subtract the error replies, code by code; codes that gained none are left out."""
    if after.errors is None:
        return None
    earlier = dict(before.errors or ())
    gained = {code: count - earlier.get(code, 0) for code, count in after.errors}
    return {code: count for code, count in gained.items() if count > 0}


def disturbance_record(watch: ServerWatch, seen: Measurement) -> Disturbance | None:
    """Keep what was done to the server on purpose, timed from the window's opening."""
    done = watch.disturbed
    if done is None:
        return None
    began = done.began_ns - watch.opens_ns
    again = seen.reopened[seen.reopened >= began].tolist()
    killed = done.killed or 0
    return Disturbance(
        what=done.deed.value,
        began_ns=began,
        ended_ns=done.ended_ns - watch.opens_ns,
        killed=done.killed,
        reconnected_ns=again[killed - 1] - began if 0 < killed <= len(again) else None,
    )


def place_record(placing: Placing) -> Place:
    """Keep who ran which load process, and what each of them did."""
    runs = {number: worker.name for worker in placing.workers for number in worker.processes}
    return Place(
        workers=[Worker(**plain(worker)) for worker in placing.workers],
        processes=[
            Process(
                process=share.process,
                worker=runs[share.process],
                throughput=share.completed * SECOND / share.window_ns if share.window_ns else 0.0,
                completed=share.completed,
                failed=share.failed,
                cpu_ns=share.cpu_ns,
                cpu_share=share.cpu_ns / share.window_ns if share.window_ns else 0.0,
                began_ns=share.began_ns,
            )
            for share in placing.shares
        ],
        skew_ns=placing.skew_ns,
        clock_error_ns=placing.clock_error_ns,
    )


def _grown(before: int | None, after: int | None) -> int | None:
    """Give how much a counter grew; None when the server did not tell."""
    return None if before is None or after is None else max(after - before, 0)


def _server_cpu_share(watch: ServerWatch) -> float | None:
    """Give main-thread CPU over wall time, between the readings nearest to the load's ends."""
    if not watch.is_one_life:
        return None  # the CPU of one life and that of the next are no one's
    readings = [r for r in (watch.ready, *watch.samples, watch.after) if r.cpu_ns is not None]
    inside = [r for r in readings if watch.opens_ns <= r.at_ns <= watch.closes_ns]
    first, last = (inside[0], inside[-1]) if len(inside) > 1 else (watch.ready, watch.after)
    if first.cpu_ns is None or last.cpu_ns is None or last.at_ns <= first.at_ns:
        return None
    if last.cpu_ns < first.cpu_ns:  # another server by now, that does not say so
        return None
    return (last.cpu_ns - first.cpu_ns) / (last.at_ns - first.at_ns)


def _reading(reading: ServerReading, opens_ns: int) -> Reading:
    # Errors are kept as what they grew by.
    told = [f.name for f in fields(ServerReading) if f.name not in ("errors", "life")]
    values = {name: getattr(reading, name) for name in told}
    return Reading(**{**values, "at_ns": reading.at_ns - opens_ns})


def _client(trial: PlannedTrial, seen: Measurement) -> Client:
    prewarm = None
    if seen.prewarmed.connections:
        prewarm = Prewarm(
            connections=seen.prewarmed.connections,
            duration_ns=seen.prewarm_ns,
            phases=phase_summaries(seen.prewarm),
        )
    return Client(
        cpu_ns=seen.cpu_ns,
        cpu_share=seen.cpu_ns / seen.window_ns if seen.window_ns else 0.0,
        voluntary_switches=seen.voluntary_switches,
        involuntary_switches=seen.involuntary_switches,
        prewarm=prewarm,
        pinned_to=sorted(trial.pin) if trial.pin is not None else None,
        abandoned=seen.abandoned,
        in_use_left=seen.in_use_left,
        loop_lag=phase_summary(seen.loop_lag) if seen.loop_lag and seen.loop_lag.count else None,
    )


def _connections(seen: Measurement, *, in_sight: bool) -> Connections:
    opened = seen.prewarmed + seen.warmup + seen.opened
    known = opened.connections if in_sight else 0
    return Connections(
        prewarmed=(seen.prewarmed + seen.warmup).connections,
        opened=seen.opened.connections,
        open_max=seen.open_max,
        got_through=min(seen.got_through, known) if known else None,
        setup_round_trips=opened.round_trips / known if known else None,
        tls_round_trips=opened.tls_round_trips / known if known else None,
        setup_refused=opened.refused / known if known else None,
        setup=dict(seen.setup),
        refused=dict(seen.setup_refused),
        reopening_failed=dict(seen.reopening_failed),
    )


def in_use(counts: NDArray[np.int64]) -> InUse | None:
    """Summarise how many connections handlers found in use; None when none was asked for."""
    acquires = int(counts.sum())
    if not acquires:
        return None
    p99, p999 = (
        int(np.searchsorted(np.cumsum(counts), max(np.ceil(share * acquires - 1e-9), 1)))
        for share in (0.99, 0.999)
    )
    return InUse(
        mean=float(np.dot(np.arange(counts.size), counts)) / acquires,
        p99=p99,
        p999=p999,
        max=int(np.flatnonzero(counts)[-1]),
    )


def phase_summary(histogram: Histogram) -> PhaseSummary:
    """Summarise a histogram that has samples."""
    p50, p90, p99, p999 = histogram.quantiles([0.5, 0.9, 0.99, 0.999])
    return PhaseSummary.model_validate(
        {
            "count": histogram.count,
            "min_ns": histogram.minimum,
            "mean_ns": histogram.mean,
            "p50_ns": p50,
            "p90_ns": p90,
            "p99_ns": p99,
            "p999_ns": p999,
            "max_ns": histogram.maximum,
        }
    )


def _trimmed(counts: NDArray[np.int64]) -> list[int]:
    """Leave out the zeros at the end."""
    filled = np.flatnonzero(counts)
    return [int(count) for count in counts[: filled[-1] + 1]] if filled.size else []
