"""Fleets to plan: a believable run of one process, and what a person says beside it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tests.runs import case_record, run_file
from valkeybench.analysis.fleet import FleetPlan, plan_fleet
from valkeybench.analysis.fleet_inputs import Inputs, read_inputs
from valkeybench.analysis.sizing import recommend
from valkeybench.results.runfile import ConnectionCost, Reading
from valkeybench.scenario.fleet import Fleet
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunFile

HAND_WORKED: dict[str, Any] = {
    "processes": 200,
    "pods": 1,
    "max_connections": 10,
    "dedicated": 1,
    "maxclients": 10_000,
    "reserved": 0,
    "surge": 1.0,
    "dead": 0.0,
    "handshakes": 477.0,
    "patience_ns": 5 * SECOND,
    "memory_fresh": 17_200,
    "memory_idle": 1_750,
}
"""200 processes of 10 + 1 connections, deployed blue/green, over TLS without I/O threads."""


def a_run(*cases: CaseRecord, **overrides: Any) -> RunFile:  # noqa: ANN401 - fields of a record
    """Give a run of one process that needs four connections or so, with its recommendation."""
    cases = cases or (case_record(max_connections=50),)
    kept = {"recommendations": recommend(cases), **overrides}
    return run_file(*cases, **kept)


def inputs(
    run: RunFile | None = None,
    storm: RunFile | None = None,
    **said: Any,  # noqa: ANN401 - fields of a Fleet
) -> Inputs:
    """Read the inputs of a fleet; 40 × 25 processes unless said otherwise."""
    fleet = Fleet(**{"processes": 40, "pods": 25, **said})
    return read_inputs(fleet, run or usual_run(), storm)


@lru_cache(maxsize=1)
def usual_run() -> RunFile:
    """Give the run most plans rest on."""
    return a_run()


def plan(
    run: RunFile | None = None,
    storm: RunFile | None = None,
    **said: Any,  # noqa: ANN401 - as above
) -> FleetPlan:
    """Plan the same."""
    return plan_fleet(inputs(run, storm, **said))


def storm_case(*, tls: bool, per_second: int, cpu_us: int, **wishes: Any) -> CaseRecord:  # noqa: ANN401 - of a Wish
    """Give a case of the bare wire that opened so many connections a second, at that CPU each."""
    record = case_record(
        "none", None, driver="wire", tls=tls, think="0", throughput=per_second, repeats=1,
        id=f"tls={tls}", server_cpu_share=per_second * cpu_us / 1e6, **wishes,
    )  # fmt: skip
    [trial] = record.trials
    opened = trial.summary.connections.opened
    assert trial.server is not None
    server = trial.server.model_copy(
        update={
            "ready": Reading(at_ns=0, cpu_ns=0, commands_processed=0),
            "after": Reading(at_ns=3 * SECOND, cpu_ns=opened * cpu_us * 1000),
            "connections_counted": opened,
        }
    )
    return record.model_copy(update={"trials": [trial.model_copy(update={"server": server})]})


def a_storm(*, plain: int = 9000, tls: int = 900, **overrides: Any) -> RunFile:  # noqa: ANN401 - of a record
    """Give a run of storms at these rates, at 40 and 400 µs each, and what connections cost."""
    costs = [
        cost(tls=False, used_fresh=17_000, used_idle=1_800),
        cost(tls=True, used_fresh=18_000, used_idle=2_400, allocated_fresh=73_000,
             allocated_idle=57_000),
    ]  # fmt: skip
    cases = [
        storm_case(tls=False, per_second=plain, cpu_us=40),
        storm_case(tls=True, per_second=tls, cpu_us=400),
    ]
    return run_file(*cases, **{"connection_costs": costs, **overrides})


def cost(*, tls: bool, note: str = "", **figures: int) -> ConnectionCost:
    """Give what 200 connections cost; what is not said is not known."""
    unknown = dict.fromkeys(("used_fresh", "used_idle", "allocated_fresh", "allocated_idle"))
    return ConnectionCost(tls=tls, connections=200, note=note, **{**unknown, **figures})
