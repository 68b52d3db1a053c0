"""Knows what a sum over processes hides: one that was saturated, or late, or short of a CPU."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from valkeybench.analysis.finding import Finding
from valkeybench.units import format_count, format_duration, format_percent

if TYPE_CHECKING:
    from valkeybench.analysis.cases import SeenCase
    from valkeybench.analysis.finding import Look
    from valkeybench.results.placed import Place, Process
    from valkeybench.results.runfile import Trial


def process_saturated(look: Look) -> Finding | None:
    """Find a process that had no CPU to spare while the average one had."""
    average, limit = look.case.client_cpu, look.limits.client_cpu
    busiest = [max(place.processes, key=_cpu) for place in _places(look.case)]
    if not busiest or average is None or average >= limit:
        return None
    share = median(process.cpu_share for process in busiest)
    if share < limit:
        return None
    worst = max(busiest, key=_cpu)
    return Finding(
        f"process {worst.process} ({worst.worker}) used {format_percent(worst.cpu_share)}"
        f" of a core, the average one {format_percent(average)}: its handlers waited for it, and"
        " the slowest latencies are theirs",
        "give every process the same share of an equal machine, or use more processes"
        " of fewer handlers",
    )


def crowded(look: Look) -> Finding | None:
    """Find a machine with more load processes than CPUs for them."""
    for place in _places(look.case):
        cpus: dict[str, int] = {}
        processes: dict[str, int] = {}
        for worker in place.workers:
            host = worker.host or worker.name
            processes[host] = processes.get(host, 0) + len(worker.processes)
            if worker.cpus:
                cpus[host] = max(worker.cpus, cpus.get(host, 0))
        for host, free in cpus.items():
            if processes[host] > max(free, 1):
                return Finding(
                    f"{format_count(processes[host])} processes shared"
                    f" {_cpus(free)} ({host}): they wait for each other, and latencies hold that"
                    " wait",
                    "use fewer --processes, or more machines (--place), unless the"
                    " application is deployed like that",
                )
    return None


def uneven_start(look: Look) -> Finding | None:
    """Find windows that not every process filled, or that clocks may have put apart."""
    worst = max(look.case.trials, key=_apart_ns)
    apart = _apart_ns(worst)
    if apart <= look.limits.uneven_start * worst.duration_ns:
        return None
    window = format_duration(worst.duration_ns)
    return Finding(
        "processes did not fill the window together: one began, or its clock may have"
        f" been, {format_duration(apart)} late, in a window of {window}",
        "warm up longer (--warmup), measure longer (--duration), or use fewer processes"
        " on each machine",
    )


def _apart_ns(trial: Trial) -> int:
    """Give the longest that a process missed of the window, or may have, by its clock."""
    if trial.place is None:
        return 0
    late = max((process.began_ns for process in trial.place.processes), default=0)
    return max(late, trial.place.clock_error_ns)


def _places(case: SeenCase) -> list[Place]:
    """Give where each trial's processes ran, when there was more than one of them."""
    return [
        trial.place
        for trial in case.trials
        if trial.place is not None and len(trial.place.processes) > 1
    ]


def _cpu(process: Process) -> float:
    return process.cpu_share


def _cpus(count: int) -> str:
    return "1 CPU" if count == 1 else f"{count} CPUs"
