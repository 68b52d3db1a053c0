"""How often a gate cries wolf, and what it finds: simulated, and with real runs.

    python benchmarks/gate.py                  simulate; under two minutes
    python benchmarks/gate.py --real 20        that many real gates without and with a change
    python benchmarks/gate.py --real 20 --half changed     only those with a change

Simulated is the logarithm of a run's p99: noise of the run and within it, drift (an
Ornstein-Uhlenbeck process), episodes in which a neighbour slows everything down, and outliers.
A gate is the one that is shipped; beside it stand what others do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from math import log1p, sqrt
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from valkeybench.analysis.inference import student_quantile  # noqa: E402 - as above
from valkeybench.analysis.sequential import Design  # noqa: E402 - the checkout comes first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What a machine does to the logarithm of a p99."""

    name: str
    run: float
    within: float
    drift: float
    episode: float = 0.0
    """By how much a neighbour slows runs down."""
    outliers: float = 0.0
    """Share of runs that are far off."""

    def runs(self, gates: int, count: int, dice: Generator) -> Floats:
        """Make so many successive runs for each of so many gates."""
        levels = dice.normal(0, self.run, (gates, count)) + dice.normal(
            0, self.within, (gates, count)
        )
        levels += _drift(self.drift, gates, count, dice)
        levels += self.episode * _episodes(gates, count, dice)
        far = dice.random((gates, count)) < self.outliers
        return np.asarray(levels + far * dice.exponential(_OUTLIER, (gates, count)))


QUIET = Noise(name="quiet", run=0.01, within=0.01, drift=0.005)
CI = Noise(name="CI", run=0.02, within=0.02, drift=0.02, episode=0.15, outliers=0.01)
NOISY = Noise(name="noisy", run=0.04, within=0.04, drift=0.05, episode=0.30, outliers=0.03)
MACHINES = (QUIET, CI, NOISY)

_DRIFT_RUNS = 20.0
"""Over how many runs drift forgets."""
_EPISODE_RUNS = 5.5
_EPISODES = 0.1
"""Share of runs within an episode."""
_OUTLIER = 0.3
"""Mean of how far off an outlier is."""


def _drift(sigma: float, gates: int, count: int, dice: Generator) -> Floats:
    stays = np.exp(-1 / _DRIFT_RUNS)
    steps = dice.normal(0, sigma * sqrt(1 - stays**2), (gates, count))
    found = np.empty((gates, count))
    level = dice.normal(0, sigma, gates)
    for run in range(count):
        level = level * stays + steps[:, run]
        found[:, run] = level
    return found


def _episodes(gates: int, count: int, dice: Generator) -> Floats:
    """Tell which runs fall into an episode: a chain that enters and leaves by chance."""
    leaves = 1 / _EPISODE_RUNS
    enters = leaves * _EPISODES / (1 - _EPISODES)
    found = np.empty((gates, count))
    inside = dice.random(gates) < _EPISODES
    for run in range(count):
        found[:, run] = inside
        chance = dice.random(gates)
        inside = np.where(inside, chance >= leaves, chance < enters)
    return found


def pairs(noise: Noise, gates: int, count: int, *, effect: float, dice: Generator) -> Floats:
    """Give how much worse each pair's new side was; the order of the sides is drawn."""
    runs = noise.runs(gates, 2 * count, dice).reshape(gates, count, 2)
    first = dice.random((gates, count)) < 0.5  # noqa: PLR2004 - a coin
    gaps = np.where(first, runs[..., 0] - runs[..., 1], runs[..., 1] - runs[..., 0])
    return np.asarray(gaps + log1p(effect))


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of many gates, as shares, and what they took."""

    failed: float
    passed: float
    runs: float

    @property
    def open(self) -> float:
        """Give the share that could not say."""
        return 1 - self.failed - self.passed


def gate(worse: Sequence[Floats], design: Design, lines: Sequence[float]) -> Rates:
    """Run gates of several metrics to their ends, all at once."""
    gates = worse[0].shape[0]
    open_, passed, failed = (np.full(gates, state) for state in (True, False, False))
    taken = np.zeros(gates)
    settled = np.zeros((len(worse), gates), np.bool_)
    for look in design.looks:
        here = np.flatnonzero(open_)
        if not here.size:
            break
        taken[here] = 2 * look
        for metric, (found, line) in enumerate(zip(worse, lines, strict=True)):
            seen = found[here, :look]
            failed[here] |= design.fails(seen, line)
            settled[metric, here] |= design.passes(seen, line)
        passed |= settled.all(axis=0) & ~failed & open_
        open_ &= ~(failed | passed)
    return Rates(float(failed.mean()), float(passed.mean()), float(taken.mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How often to try what, against which change."""

    gates: int
    effect: float
    seed: int
    threshold: float = 0.05

    @property
    def dice(self) -> Generator:
        """Give the dice of this attempt, always the same."""
        return np.random.default_rng(self.seed)


def sequential(noise: Noise, attempt: Attempt, *, metrics: int) -> Rates:
    """Try the shipped gate: all metrics as noisy as p99, the first with the change."""
    dice, design = attempt.dice, Design(metrics)
    effects = [attempt.effect, *[0.0] * (metrics - 1)]
    worse = [pairs(noise, attempt.gates, design.most, effect=e, dice=dice) for e in effects]
    return gate(worse, design, [log1p(attempt.threshold)] * metrics)


def single_pair(noise: Noise, attempt: Attempt) -> float:
    """Fail where one run is worse than another by the threshold, as many scripts do."""
    worse = pairs(noise, attempt.gates, 1, effect=attempt.effect, dice=attempt.dice)[:, 0]
    return float((worse > log1p(attempt.threshold)).mean())


def compared(noise: Noise, attempt: Attempt, *, repeats: int) -> float:
    """Say `worse` as `valkeybench compare` does of two runs, one after the other (Welch's t)."""
    runs = noise.runs(attempt.gates, 2 * repeats, attempt.dice)
    base, new = runs[:, :repeats], runs[:, repeats:] + log1p(attempt.effect)
    gap = new.mean(axis=1) - base.mean(axis=1)
    parts = [side.var(axis=1, ddof=1) / repeats for side in (base, new)]
    spread = parts[0] + parts[1]
    degrees = spread**2 / sum(part**2 / (repeats - 1) for part in parts)
    quantiles = {n: student_quantile(0.975, n) for n in range(1, 2 * repeats)}
    reach = np.array([quantiles[max(int(n + 1e-9), 1)] for n in degrees]) * np.sqrt(spread)
    return float(((gap - reach > 0) & (gap > log1p(attempt.threshold))).mean())


def table(gates: int) -> int:
    """Print false alarms and power of the gate, and of what it is better than."""
    print(f"{gates} gates each; without a change / with one of +10 %, in per cent\n")
    _row("", [noise.name for noise in MACHINES])
    same, worse = (Attempt(gates=gates, effect=e, seed=seed) for seed, e in ((1, 0.0), (2, 0.1)))
    ten = [replace(each, threshold=0.1) for each in (same, worse)]
    _row(
        "failed: one pair of runs, 10 %",
        [" / ".join(f"{100 * single_pair(n, each):.1f}" for each in ten) for n in MACHINES],
    )
    for repeats in (3, 10):
        _row(
            f"worse: compare, {repeats} trials a side, 10 %",
            [
                " / ".join(f"{100 * compared(n, each, repeats=repeats):.1f}" for each in ten)
                for n in MACHINES
            ],
        )
    for metrics, threshold in ((1, 0.05), (3, 0.05), (1, 0.03)):
        tried = [replace(each, threshold=threshold) for each in (same, worse)]
        _gate_rows(tried, metrics, f"gate, {metrics} metric{'s' * (metrics > 1)}, {threshold:.0%}")
    return 0


def _gate_rows(tried: Sequence[Attempt], metrics: int, name: str) -> None:
    found = [[sequential(n, each, metrics=metrics) for each in tried] for n in MACHINES]
    _row(f"failed: {name}", [f"{100 * a.failed:.2f} / {100 * b.failed:.1f}" for a, b in found])
    _row("  passed", [f"{100 * a.passed:.1f} / {100 * b.passed:.2f}" for a, b in found])
    _row("  can't say", [f"{100 * a.open:.1f} / {100 * b.open:.1f}" for a, b in found])
    _row("  runs it took", [f"{a.runs:.0f} / {b.runs:.0f}" for a, b in found])


def _row(title: str, cells: Sequence[str]) -> None:
    print(f"{title:44}" + "".join(f"{cell:>16}" for cell in cells))


# --- real runs ---------------------------------------------------------------------------------

_LOAD = (*("--driver", "asyncio", "-c", "8", "-m", "8", "--think", "4ms"),)
_METRICS = ("--metric", "response.p50", "--metric", "throughput")
_RTT_US = 500
"""Emulated on both sides: so both have the same timers, and one a longer wait."""


_HALVES = ("same", "changed")


def real(gates: int, duration: str, halves: Sequence[str]) -> int:
    """Gate a load against itself, and against itself 10 % slower; give the number of surprises."""
    service_us = _service_us(duration)
    slower = f"rtt={_RTT_US + round(service_us * _SLOWER)}us"
    print(f"response p50 {service_us:.0f} us; the slower side has {slower}\n", flush=True)
    surprises = 0
    for half, name, new, right, wrong in (
        ("same", "against itself", f"rtt={_RTT_US}us", {0, 11}, {10}),
        ("changed", "10 % slower", slower, {10}, {0}),
    ):
        if half not in halves:
            continue
        codes = []
        for _ in range(gates):
            began = monotonic()
            codes.append(_gate_once(duration, new))
            print(f"{name}: exit code {codes[-1]}, {monotonic() - began:.0f} s", flush=True)
        surprises += sum(code not in right for code in codes)
        wrongs = sum(code in wrong for code in codes)
        print(f"{name}: {wrongs} of {gates} wrong, {codes.count(11)} can't say\n", flush=True)
    return surprises


_SLOWER = 0.10


def _service_us(duration: str) -> float:
    """Measure the load's p50 once, in microseconds."""
    words = ["run", *_LOAD, "--pool", "blocking", "--rtt", f"{_RTT_US}us"]
    words += ["--duration", duration, "--repeats", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "valkeybench", *words, "--json", "-q"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    summary = json.loads(done.stdout)["cases"][0]["summary"]
    return float(summary["phases"]["response"]["p50_ns"]) / 1000


def _gate_once(duration: str, new: str) -> int:
    words = ["gate", *_LOAD, *_METRICS, "--duration", duration]
    words += ["--base", f"rtt={_RTT_US}us", "--new", new]
    done = subprocess.run(
        [sys.executable, "-m", "valkeybench", *words, "--json", "-q"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return done.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--gates", type=int, default=2500, help="simulated gates for each figure")
    parser.add_argument("--real", type=int, metavar="N", help="run so many real gates instead")
    parser.add_argument("--duration", default="5s", help="of each real trial")
    parser.add_argument("--half", choices=_HALVES, help="only this half of the real gates")
    asked = parser.parse_args(arguments)
    began = monotonic()
    halves = [asked.half] if asked.half else _HALVES
    surprises = real(asked.real, asked.duration, halves) if asked.real else table(asked.gates)
    print(f"\n{monotonic() - began:.0f} s")
    return 1 if surprises else 0


if __name__ == "__main__":
    raise SystemExit(main())
