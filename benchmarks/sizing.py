"""How well `valkeybench size` does on real redis-py and a real Valkey, against trying every size.

For each setting it searches once, as a user would, and then tries every size of the same
grid in interleaved trials of the same length. Regret is how much
worse than the best size of all the recommended one came out: p99 above the lowest, throughput
below the highest, both medians over a size's trials. The best of many noisy sizes is a little
too good to be true, so regret errs against the search.

    python benchmarks/sizing.py [--repeats 5] [--duration 3s] [--settings remote,asyncio]

`benchmarks/sizing_model.py` does the same where the truth is known exactly, in a model.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from valkeybench.analysis.search import Goal
from valkeybench.measurement.metrics import Phase
from valkeybench.results.store import read_run
from valkeybench.units import format_duration

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, Recommendation, RunFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An application: its handlers, what they do between commands, how far Valkey is."""

    name: str
    handlers: int
    flags: tuple[str, ...]


SETTINGS = (
    Setting(name="web", handlers=50, flags=("--think", "20ms", "--rtt", "500us")),
    Setting(name="remote", handlers=50, flags=("--think", "20ms", "--rtt", "5ms")),
    Setting(
        name="asyncio",
        handlers=100,
        flags=("--think", "50ms", "--rtt", "1ms", "--driver", "asyncio"),
    ),
    Setting(
        name="asyncio-remote",
        handlers=50,
        flags=("--think", "20ms", "--rtt", "5ms", "--driver", "asyncio"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the trials of one size came to."""

    size: int
    p99_ns: float
    throughput: float


def main() -> int:
    """Search and sweep each setting, and print a line for it."""
    options = _options()
    wanted = options.settings.split(",") if options.settings else [s.name for s in SETTINGS]
    print(
        "setting            size  + headroom     p99: found, best, regret     "
        "throughput regret    search   sweep  share"
    )
    for setting in SETTINGS:
        if setting.name in wanted:
            _try(setting, options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--duration", default="3s")
    parser.add_argument("--settings", default="", help="names, with commas; default: all four")
    return parser.parse_args()


def _try(setting: Setting, options: argparse.Namespace) -> None:
    flags = (*setting.flags, "-c", str(setting.handlers), "--duration", options.duration)
    searched, search_seconds = _valkeybench("size", *flags)
    answer = searched.recommendations[0]
    sizes = Goal(handlers=setting.handlers).grid
    swept, sweep_seconds = _valkeybench(
        "run", *flags, "--pool", "blocking", "-m", ",".join(map(str, sizes)),
        "--repeats", str(options.repeats),
    )  # fmt: skip
    _print(setting, answer, [_tried(case) for case in swept.cases], search_seconds, sweep_seconds)


def _valkeybench(*arguments: str) -> tuple[RunFile, float]:
    """Run the command line; give what it kept and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "run.json")
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "valkeybench", *arguments, "-q", "-o", str(output)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return read_run(output), time.perf_counter() - began


def _tried(case: CaseRecord) -> Tried:
    return Tried(
        size=int(str(case.axes["max_connections"])),
        p99_ns=median(trial.summary.phases[Phase.RESPONSE].p99_ns for trial in case.trials),
        throughput=median(trial.summary.throughput for trial in case.trials),
    )


def _print(
    setting: Setting, answer: Recommendation, swept: list[Tried], search: float, sweep: float
) -> None:
    times = f"{search:>7.0f} s {sweep:>5.0f} s  {search / sweep:>5.0%}"
    if answer.max_connections is None:
        print(f"{setting.name:<15} no size: {answer.reason}\n{'':<80}{times}", flush=True)
        return
    roomy = answer.evidence["with_headroom"]
    best_p99 = min(each.p99_ns for each in swept)
    best_rate = max(each.throughput for each in swept)
    chosen = next(each for each in swept if each.size == answer.max_connections)
    print(
        f"{setting.name:<15} {answer.max_connections:>7} {roomy:>11}    "
        f"{format_duration(round(chosen.p99_ns)):>9} {format_duration(round(best_p99)):>9} "
        f"{chosen.p99_ns / best_p99 - 1:>6.1%} {1 - chosen.throughput / best_rate:>20.1%}",
        f"  {times}",
        flush=True,
    )
    for each in swept:
        print(
            f"    -m {each.size:<4} p99 {format_duration(round(each.p99_ns)):>9}  "
            f"{each.throughput:>9,.0f}/s",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
