"""The report of a fleet shows every figure with its formula, and what is not known with why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.analysis.fleets import HAND_WORKED, a_storm, plan
from tests.report.examples import PATH, shown
from valkeybench.report.document import Callout, Kind
from valkeybench.report.fleet import fleet_document
from valkeybench.report.fleet_verdict import fleet_summary

if TYPE_CHECKING:
    from valkeybench.analysis.fleet import FleetPlan

GOLDEN = Path(__file__).parent / "golden"

STORM_PATH = "results/20260102T030405Z-fleet-storm.json"

ROOMY: dict[str, Any] = {"pods": 5, "maxclients": 10_000, "server_memory": 2**30}


def planned(name: str) -> FleetPlan:
    """Give the plan of a name."""
    match name:
        case "fleet-unknown":
            return plan()
        case "fleet-fits":
            return plan(None, a_storm(), **ROOMY, rate=20_000.0, cpu_per_command_ns=8000)
        case "fleet-exceeds":
            return plan(None, a_storm(), tls=True, max_connections=12, nodes=3, dedicated=1)
    return plan(tls=True, **HAND_WORKED)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "name", ["fleet-unknown", "fleet-fits", "fleet-exceeds", "fleet-hand-worked"]
)
def test_a_fleet_is_shown_as_it_always_was(name: str, columns: int) -> None:
    """The whole report, word for word."""
    golden = GOLDEN / f"{name}-{columns}.txt"
    seen = shown(fleet_document(planned(name), sources=[PATH, STORM_PATH]), columns)
    if os.environ.get("VALKEYBENCH_WRITE_GOLDEN"):
        golden.write_text(seen, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == seen


def said(seen: FleetPlan) -> str:
    """Give the verdict on one line."""
    return " ".join(shown(fleet_summary(seen), 200).replace("│", " ").split())


def headline(seen: FleetPlan) -> tuple[Kind, str]:
    """Give the verdict in a line, and how it is coloured."""
    first = fleet_summary(seen).blocks[0]
    assert isinstance(first, Callout)
    return first.kind, first.title


def test_a_fleet_that_is_too_large_at_once_is_said_first() -> None:
    """With the largest that is safe, and what would help."""
    words = said(plan(max_connections=12, maxclients=10_000))
    assert "This fleet does not fit: it is more than the server takes at once" in words
    assert "Connections now: 12 000 is over the limit of 9 990" in words
    assert "Run fewer and larger processes" in words


def test_a_pool_smaller_than_the_run_asks_for_is_no_answer() -> None:
    """Neither when it is given by hand, nor when nothing larger is safe."""
    assert "a pool of 1 makes handlers wait" in said(plan(max_connections=1))
    crowded = said(plan(pods=200, maxclients=10_000))
    assert "no more than 0 are safe: a pool that small would make handlers wait" in crowded


def test_a_fleet_fits_only_as_far_as_is_known() -> None:
    """A private server's limit is none of the real one's."""
    known: dict[str, Any] = {
        "pods": 1,
        "server_memory": 2**30,
        "cpu_per_command_ns": 8000,
        "rate": 100.0,
    }
    open_, settled = (
        plan(None, a_storm(), **known),
        plan(None, a_storm(), maxclients=10_000, **known),
    )
    assert (Kind.INFO, "This fleet fits, as far as is known") == headline(open_)
    assert (Kind.GOOD, "This fleet fits") == headline(settled)
    assert "Not known" not in said(settled)
