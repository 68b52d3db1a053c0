"""Drives the search with modelled trials, and knows what it should have found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.analysis.model import Setting, p99_and_rate, trial
from valkeybench.analysis.enough import Sight
from valkeybench.analysis.search import Answer, Tried, next_step
from valkeybench.results.runfile import CaseRecord
from valkeybench.scenario.model import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.analysis.goal import Goal

TRUTH = Path(__file__).with_name("truth.json")
"""What `benchmarks/sizing_model.py --truth` found: p99 and throughput by setting and size."""

P99_TOLERANCE, RATE_TOLERANCE = 1.10, 0.98
"""The true minimum is the smallest size this close to the best of both."""

MISSED = 1.15
"""A recommendation missed when its true p99 is so many times the best."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to, and the trials it took."""

    answer: Answer
    tried: tuple[Tried, ...]


def search(setting: Setting, goal: Goal, *, commands: int, seed: int = 0) -> Found:
    """Run the whole procedure on a modelled application."""
    tried: list[Tried] = []
    runs: dict[object, int] = {}
    while True:
        step = next_step(goal, tried)
        if isinstance(step, Answer):
            return Found(step, tuple(tried))
        for attempt in step.attempts:
            case = setting.case(attempt.pool, attempt.size)
            repeat = runs[case] = runs.get(case, -1) + 1
            record = CaseRecord(
                id=f"pool={attempt.pool},max_connections={attempt.size}",
                axes=plain(case),
                summary=None,
                trials=[
                    trial(
                        setting,
                        case,
                        commands=commands,
                        repeat=repeat,
                        seed=f"{seed}/{setting.name}/{len(tried)}",
                    )
                ],
            )
            tried.append(Tried(attempt=attempt, sight=Sight.of(record)))


def measure_truth(
    setting: Setting, grid: tuple[int, ...], *, commands: int, replicates: int
) -> dict[int, tuple[float, float]]:
    """Try every size for long, without noise: p99 in milliseconds and commands per second."""
    found = {}
    for size in grid:
        runs = [
            p99_and_rate(setting, size, commands=commands, seed=replicate)
            for replicate in range(replicates)
        ]
        p99s, rates = (sorted(each) for each in zip(*runs, strict=True))
        found[size] = p99s[len(p99s) // 2], rates[len(rates) // 2]
    return found


def true_minimum(truth: Mapping[int, tuple[float, float]]) -> int:
    """Give the smallest size whose p99 and throughput are about the best there is."""
    p99 = min(p99 for p99, _ in truth.values())
    rate = max(rate for _, rate in truth.values())
    return min(
        (
            size
            for size, (its_p99, its_rate) in truth.items()
            if its_p99 <= P99_TOLERANCE * p99 and its_rate >= RATE_TOLERANCE * rate
        ),
        default=max(truth),
    )


def read_truth() -> dict[str, dict[int, tuple[float, float]]]:
    """Read the truth about every setting: p99 in milliseconds and commands per second."""
    known = json.loads(TRUTH.read_text(encoding="utf-8"))
    return {
        name: {int(size): (p99, rate) for size, (p99, rate) in sizes.items()}
        for name, sizes in known.items()
    }
