"""Runs that have something to show in every chart, and the page they make."""

from __future__ import annotations

from functools import lru_cache

from tests.report.examples import recommendation
from tests.runs import case_record, run_file
from valkeybench.report.chart import Chart
from valkeybench.report.dossier import Dossier, make_dossier
from valkeybench.report.html.page import page_text
from valkeybench.report.overlay import NamedRun, name_runs
from valkeybench.results.runfile import RunFile, RunWarning
from valkeybench.units import MILLISECOND

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
"""What nobody names a scenario, unless they mean it."""


@lru_cache(maxsize=1)
def full_run() -> RunFile:
    """Make a run with sizes, distances, limits, a recommendation, warnings and an evil name."""
    cases = [
        case_record("none", rtt_ns=rtt_ms * MILLISECOND, repeats=2, phases=_unpooled(rtt_ms))
        for rtt_ms in (0, 2)
    ]
    cases += [
        case_record(
            "blocking", size, rtt_ns=rtt_ms * MILLISECOND, repeats=2, phases=_pooled(rtt_ms)
        )
        for size in (2, 4, 8, 16)
        for rtt_ms in (0, 2)
    ]
    run = run_file(
        *cases,
        warnings=[
            RunWarning(code="few_samples", message=f"too few: {EVIL}", remedy="measure longer")
        ],
        recommendations=[recommendation(evidence={"slo": ["response.p99 < 5ms"]}, reason=EVIL)],
    )
    return run.model_copy(update={"scenario": {**run.scenario, "title": EVIL}})


def _pooled(rtt_ms: int) -> dict[str, float]:
    return {"pool_wait": 0.02, "command": 0.17 + rtt_ms, "release": 0.01}


def _unpooled(rtt_ms: int) -> dict[str, float]:
    opening = {"construct": 0.9, "connect": 0.15 + rtt_ms, "handshake": 0.6 + 3 * rtt_ms}
    return {**opening, "command": 0.17 + rtt_ms, "release": 0.08}


@lru_cache(maxsize=1)
def full_runs() -> tuple[NamedRun, ...]:
    """Name the run."""
    return tuple(name_runs(["full.json"], [full_run()]))


@lru_cache(maxsize=1)
def full_dossier() -> Dossier:
    """Make its report."""
    return make_dossier(full_runs())


@lru_cache(maxsize=1)
def full_page() -> str:
    """Write its page."""
    return page_text(full_dossier())


def charts(dossier: Dossier) -> dict[str, Chart]:
    """Give every chart of a report by its id."""
    items = (item for section in dossier.sections for item in section.items)
    return {item.id: item for item in items if isinstance(item, Chart)}
