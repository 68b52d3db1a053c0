"""What a machine cannot tell apart: learned where nothing changed, heeded where something might."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.regression import line_of, relative, written_threshold
from valkeybench.analysis.sequential import Design, scatter
from valkeybench.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.analysis.comparison import Rule
    from valkeybench.analysis.metric import Metric
    from valkeybench.analysis.regression import Look, Seen
    from valkeybench.results.runfile import RunFile

_MACHINE = ("cpu", "cpus_usable", "machine", "system")
_LOAD = ("commands", "duration_ns", "pin", "place")
_SERVER = ("provider", "flavour", "version", "mode", "tls_provider")

CALIBRATION_PAIRS = 12


def fingerprint(run: RunFile) -> dict[str, Any]:
    """Name what noise belongs to: machine, server, the first case's load, a trial's length.

    Where a server of ours listens is drawn anew each time; where another's is matters.
    """
    server = run.environment.get("server")
    told = server if isinstance(server, dict) else {}
    ours = told.get("provider") == "embedded"
    return {
        **{name: run.environment.get(name) for name in _MACHINE},
        **{name: run.scenario.get(name) for name in _LOAD},
        "server": {
            **{name: told.get(name) for name in _SERVER},
            "address": None if ours else told.get("address"),
        },
        "axes": run.cases[0].axes,
    }


def learned_scatter(look: Look) -> dict[str, float]:
    """Give the scatter of each metric that was seen in pairs without a difference."""
    return {str(each.rule.metric): scatter(each.worse) for each in look.seen if len(each.worse) > 1}


@dataclass(frozen=True, slots=True)
class Asked:
    """What two sides are to be gated on."""

    rules: tuple[Rule, ...]
    fixed: frozenset[Metric] = frozenset()
    """Metrics whose threshold was named: it stays, whatever the machine can tell."""


@dataclass(frozen=True, slots=True)
class Heeded:
    """Rules that ask for no more than the machine can tell, and what that changed."""

    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()


def heed(asked: Asked, known: Mapping[str, float]) -> Heeded:
    """Raise thresholds to what can be told apart, but for those that were named."""
    found, notes = [], []
    for rule in asked.rules:
        sigma = known.get(str(rule.metric))
        floor = None if sigma is None else Design(len(asked.rules)).least_found(sigma, 0.0)
        if floor is None or floor <= line_of(rule):
            found.append(rule)
            continue
        raised = replace(rule, threshold=relative(rule, floor))
        can = written_threshold(raised)
        if rule.metric in asked.fixed:
            found.append(rule)
            notes.append(
                f"{written_threshold(rule)} of {rule.metric} cannot be told on this machine, "
                f"{can} can: longer trials scatter less"
            )
        else:
            found.append(raised)
            notes.append(f"{rule.metric} counts from {can} on, which is what this machine can tell")
    return Heeded(tuple(found), tuple(notes))


def told_apart(look: Look) -> list[tuple[str, str, str]]:
    """Say of each metric how pairs scattered, and what could be told from that."""
    return [(str(each.rule.metric), *telling(each, look.design)) for each in look.seen]


def telling(seen: Seen, design: Design) -> tuple[str, str]:
    """Write how pairs scattered, and the least that gates of as many metrics tell from nothing."""
    sigma = seen.sigma
    if sigma is None:
        return "–", seen.reason
    told = relative(seen.rule, design.least_found(sigma, 0.0))
    return _written(seen.rule, relative(seen.rule, sigma)), _written(seen.rule, told)


def _written(rule: Rule, value: float) -> str:
    return format_percent(value) if rule.is_ratio else rule.metric.written(value)
