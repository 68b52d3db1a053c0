"""Writes runs as OpenMetrics or Prometheus text, under the names dashboards already know.

`db.client.…` are the names of OpenTelemetry's semantic conventions (database client metrics,
1.44), in the spelling OpenMetrics asks for. Figures about connections are for one pool: for the
average process where there are several. What valkeybench does not know is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.analysis.samples import merged
from valkeybench.measurement.metrics import OPENING, FailureKind, Phase
from valkeybench.report.overlay import overlaid
from valkeybench.report.text import typeface
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.overlay import NamedRun
    from valkeybench.results.runfile import CaseRecord, Summary

    Labels = Mapping[str, str]

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_BUCKETS_S = (*_BUCKETS, 2.5, 5.0, 10.0)
"""Upper edges in seconds: those of redis-py's own metrics, and the steps between."""

_QUANTILES = (("0.5", "p50_ns"), ("0.9", "p90_ns"), ("0.99", "p99_ns"), ("0.999", "p999_ns"))
_HELD = (Phase.COMMAND, Phase.RELEASE)
"""Phases in which a handler has a connection."""

_TYPEFACE = typeface("utf-8")


class Dialect(StrEnum):
    """Which of the two texts is written; they differ in the names of counters."""

    OPENMETRICS = "openmetrics"
    PROMETHEUS = "prometheus"


class Kind(StrEnum):
    """What a metric is."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class _Sample:
    """A value under the family's name and a suffix."""

    suffix: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A metric of all cases."""

    name: str
    kind: Kind
    help: str
    unit: str = ""
    samples: tuple[_Sample, ...]


def metrics_text(runs: Sequence[NamedRun], dialect: Dialect) -> str:
    """Write every case's figures, all its trials together, labelled by run and case."""
    seen = [(_labels(each, case), case) for each in runs for case in each.run.cases]
    lines: list[str] = []
    for family in (*_pool_families(seen), *_own_families(seen), *_said_families(runs)):
        if family.samples:
            lines += _written(family, dialect)
    return "\n".join([*lines, "# EOF\n"])


def _labels(each: NamedRun, case: CaseRecord) -> dict[str, str]:
    return {"run": each.name, "db_client_connection_pool_name": case.id}


def _pool_families(seen: Sequence[tuple[Labels, CaseRecord]]) -> Iterable[_Family]:
    """Give what OpenTelemetry has names for."""
    system = {"db_system_name": "redis"}
    known = [(labels, case, case.summary) for labels, case in seen if case.summary is not None]
    pooled = [each for each in known if each[1].axes.get("max_connections") is not None]
    yield _Family(
        name="db_client_operation_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="From asking for a connection to having the reply; failed ones by error.type.",
        unit="seconds",
        samples=tuple(
            sample
            for labels, case, _ in known
            for phase, more in ((Phase.SERVICE, {}), (Phase.FAILED, {"error_type": "_OTHER"}))
            for sample in _buckets(case, phase, {**labels, **system, **more})
        ),
    )
    yield _Family(
        name="db_client_connection_wait_time_seconds",
        kind=Kind.HISTOGRAM,
        help="From asking the pool to holding a connection, less the time to create one.",
        unit="seconds",
        samples=tuple(
            sample
            for labels, case, _ in pooled
            for sample in _buckets(case, Phase.POOL_WAIT, labels)
        ),
    )
    for name, phases, counted, words in (
        ("create", OPENING, Phase.HANDSHAKE, "To create a connection, set-up commands included."),
        ("use", _HELD, Phase.COMMAND, "From borrowing a connection to giving it back."),
    ):
        yield _Family(
            name=f"db_client_connection_{name}_time_seconds",
            kind=Kind.SUMMARY,
            help=f"{words} Number and sum only.",
            unit="seconds",
            samples=tuple(
                sample
                for labels, _, summary in known
                for sample in _sums(summary, phases, counted, labels)
            ),
        )
    yield from _levels(pooled)


def _levels(pooled: Sequence[tuple[Labels, CaseRecord, Summary]]) -> Iterable[_Family]:
    """Give how full pools were: their bounds, means over time by Little's law, and time-outs."""
    yield _Family(
        name="db_client_connection_max",
        kind=Kind.GAUGE,
        help="Connections the pool may open.",
        samples=tuple(
            _Sample("", labels, float(str(case.axes["max_connections"])))
            for labels, case, _ in pooled
        ),
    )
    yield _Family(
        name="db_client_connection_count",
        kind=Kind.GAUGE,
        help="Connections in use, mean over time (by Little's law).",
        samples=tuple(
            _Sample("", {**labels, "db_client_connection_state": "used"}, used)
            for labels, case, summary in pooled
            if (used := _mean_level(case, summary, (*OPENING, *_HELD))) is not None
        ),
    )
    yield _Family(
        name="db_client_connection_pending_requests",
        kind=Kind.GAUGE,
        help="Handlers waiting for a connection, mean over time (by Little's law).",
        samples=tuple(
            _Sample("", labels, waiting)
            for labels, case, summary in pooled
            if (waiting := _mean_level(case, summary, (Phase.POOL_WAIT,))) is not None
        ),
    )
    yield _Family(
        name="db_client_connection_timeouts",
        kind=Kind.COUNTER,
        help="Handlers that got no connection within the pool's timeout.",
        samples=tuple(
            _Sample("_total", labels, summary.failures.get(FailureKind.POOL_TIMEOUT, 0))
            for labels, _, summary in pooled
        ),
    )


def _own_families(seen: Sequence[tuple[Labels, CaseRecord]]) -> Iterable[_Family]:
    """Give what nobody else has a name for."""
    known = [(labels, case, case.summary) for labels, case in seen if case.summary is not None]
    yield _Family(
        name="valkeybench_response_seconds",
        kind=Kind.SUMMARY,
        help="From due to having the reply, with percentiles of all trials together.",
        unit="seconds",
        samples=tuple(
            sample for labels, _, summary in known for sample in _response(summary, labels)
        ),
    )
    yield _Family(
        name="valkeybench_throughput",
        kind=Kind.GAUGE,
        help="Completed requests per second, all processes together.",
        samples=tuple(_Sample("", labels, s.throughput) for labels, _, s in known),
    )
    yield _Family(
        name="valkeybench_requests",
        kind=Kind.COUNTER,
        help="Requests by what became of them.",
        samples=tuple(
            _Sample("_total", {**labels, "outcome": outcome}, getattr(summary, outcome))
            for labels, _, summary in known
            for outcome in ("completed", "failed", "unfinished", "dropped")
        ),
    )
    yield _Family(
        name="valkeybench_failures",
        kind=Kind.COUNTER,
        help="Failed requests by kind.",
        samples=tuple(
            _Sample("_total", {**labels, "error_type": kind}, summary.failures.get(kind, 0))
            for labels, _, summary in known
            for kind in FailureKind
        ),
    )


def _said_families(runs: Sequence[NamedRun]) -> Iterable[_Family]:
    """Give what was made of the runs, and what their cases are."""
    yield _Family(
        name="valkeybench_recommended_max_connections",
        kind=Kind.GAUGE,
        help="The recommended pool size, by basis; none where no size is an answer.",
        samples=tuple(
            _Sample(
                "",
                {"run": each.name, "basis": one.basis, **_parameters(one.applies_to)},
                one.max_connections,
            )
            for each in runs
            for one in each.run.recommendations
            if one.max_connections is not None
        ),
    )
    yield _Family(
        name="valkeybench_case_info",
        kind=Kind.GAUGE,
        help="What each case is: its label and its parameters.",
        samples=tuple(_info(runs)),
    )


def _info(runs: Sequence[NamedRun]) -> Iterable[_Sample]:
    _, names = overlaid(runs)
    labels = iter(names.values())
    for each in runs:
        for case in each.run.cases:
            said = {"case": next(labels), **_parameters(case.axes)}
            yield _Sample("", {**_labels(each, case), **said}, 1)


def _parameters(axes: Mapping[str, object]) -> dict[str, str]:
    return {
        f"parameter_{name}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in axes.items()
        if value is not None and name.isidentifier() and name.isascii()
    }


def _buckets(case: CaseRecord, phase: Phase, labels: Labels) -> Iterable[_Sample]:
    """Count a phase's samples up to each edge; nothing where there are none."""
    samples = merged(case, phase)
    if not samples.count:
        return
    heights = samples.bins([0, *(round(edge * SECOND) + 1 for edge in _BUCKETS_S)])
    below = 0
    for edge, height in zip(_BUCKETS_S, heights, strict=True):
        below += height
        yield _Sample("_bucket", {**labels, "le": str(edge)}, below)
    yield _Sample("_bucket", {**labels, "le": "+Inf"}, samples.count)
    known = case.summary.phases.get(phase) if case.summary else None
    total = known.mean_ns * known.count if known else float(samples.total)
    yield _Sample("_count", labels, samples.count)
    yield _Sample("_sum", labels, total / SECOND)


def _sums(
    summary: Summary, phases: Sequence[Phase], counted: Phase, labels: Labels
) -> Iterable[_Sample]:
    if counted in summary.phases:
        yield _Sample("_count", labels, summary.phases[counted].count)
        yield _Sample("_sum", labels, _total_ns(summary, phases) / SECOND)


def _total_ns(summary: Summary, phases: Sequence[Phase]) -> float:
    found = (summary.phases[phase] for phase in phases if phase in summary.phases)
    return sum(phase.mean_ns * phase.count for phase in found)


def _mean_level(case: CaseRecord, summary: Summary, phases: Sequence[Phase]) -> float | None:
    """Give how many were in these phases on average, in each process: L = λW."""
    processes = case.axes.get("processes")
    window_ns = sum(trial.duration_ns for trial in case.trials)
    if not window_ns or not isinstance(processes, int) or not processes:
        return None
    return _total_ns(summary, phases) / window_ns / processes


def _response(summary: Summary, labels: Labels) -> Iterable[_Sample]:
    response = summary.phases.get(Phase.RESPONSE)
    if response is None:
        return
    for quantile, name in _QUANTILES:
        yield _Sample("", {**labels, "quantile": quantile}, getattr(response, name) / SECOND)
    yield _Sample("_count", labels, response.count)
    yield _Sample("_sum", labels, response.mean_ns * response.count / SECOND)


def _written(family: _Family, dialect: Dialect) -> list[str]:
    strict = dialect is Dialect.OPENMETRICS
    counted = family.kind is Kind.COUNTER and not strict
    name = f"{family.name}_total" if counted else family.name
    lines = [f"# TYPE {name} {family.kind}"]
    if family.unit and strict:
        lines.append(f"# UNIT {name} {family.unit}")
    lines.append(f"# HELP {name} {family.help}")
    for sample in family.samples:
        labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in sample.labels.items())
        lines.append(f"{family.name}{sample.suffix}{{{labels}}} {sample.value!r}")
    return lines


def _escaped(text: str) -> str:
    """Write a label's value; what steers a terminal is spelled out, as in every report."""
    lines = (_TYPEFACE.text(line) for line in text.split("\n"))
    return r"\n".join(line.replace("\\", r"\\").replace('"', r"\"") for line in lines)
