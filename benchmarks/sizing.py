"""How well `valkeybench size` does on real redis-py and a real Valkey, against trying every size.

For each setting it searches once, as a user would, and then tries every size of the same grid
several times, in interleaved trials of the same length. Regret is how much worse than the best
size of all the recommended one came out: p99 above the lowest, throughput below the highest,
each the median of a size's trials. Two things make regret look larger than it is. The best of
many noisy sizes is a little too good to be true; and trials of one and the same size scatter,
which is printed beside it: how far the trials of the best size lie apart, and how far apart
medians of sizes are that no handler could tell apart, those from twice the recommended one on.

    python benchmarks/sizing.py                   all four, about 16 minutes
    python benchmarks/sizing.py --only web        one of them: web, remote, asyncio, asyncio-remote

Rows are Markdown, on standard output, each as soon as it is done; what is under way and every
size of the sweep go to standard error. `benchmarks/sizing_model.py` does the same where the
truth is known exactly, in a model.
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

from valkeybench.analysis.goal import Goal
from valkeybench.measurement.metrics import Phase
from valkeybench.results.store import read_run
from valkeybench.units import SECOND, format_duration, parse_duration

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, Recommendation, RunFile

_START_UP_SECONDS = 0.6
"""What a trial takes beside its load: processes that start, and the server read."""

_PATIENCE = 3
"""How many times what it should take a command may take before it is given up."""

_HEADER = """\
| application | size | p99 | best p99 | p99 regret | throughput regret | p99 noise: trials, sizes \
| search | sweep | share |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An application: its handlers, what they do between commands, how far Valkey is."""

    name: str
    words: str
    handlers: int
    flags: tuple[str, ...]


SETTINGS = (
    Setting(
        name="web",
        words="50 threads, 0.5 ms away",
        handlers=50,
        flags=("--think", "20ms", "--rtt", "500us"),
    ),
    Setting(
        name="remote",
        words="50 threads, 5 ms away",
        handlers=50,
        flags=("--think", "20ms", "--rtt", "5ms"),
    ),
    Setting(
        name="asyncio",
        words="100 tasks, 1 ms away",
        handlers=100,
        flags=("--think", "50ms", "--rtt", "1ms", "--driver", "asyncio"),
    ),
    Setting(
        name="asyncio-remote",
        words="32 tasks, 5 ms away",
        handlers=32,
        flags=("--think", "20ms", "--rtt", "5ms", "--driver", "asyncio"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the trials of one size came to."""

    size: int
    p99s_ns: tuple[int, ...]
    rates: tuple[float, ...]

    @classmethod
    def of(cls, case: CaseRecord) -> Tried:
        """Read the trials of a case of the sweep."""
        return cls(
            size=int(str(case.axes["max_connections"])),
            p99s_ns=tuple(trial.summary.phases[Phase.RESPONSE].p99_ns for trial in case.trials),
            rates=tuple(trial.summary.throughput for trial in case.trials),
        )

    @property
    def p99_ns(self) -> float:
        """Give the median of its trials' p99."""
        return median(self.p99s_ns)

    @property
    def rate(self) -> float:
        """Give the median of its trials' throughput."""
        return median(self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that was run, what it kept, and the seconds it took."""

    run: RunFile
    seconds: float


def main() -> int:
    """Search and sweep each setting, and print a row for it as soon as it is done."""
    options = _options()
    chosen = [each for each in SETTINGS if not options.only or each.name in options.only.split(",")]
    if not chosen:
        names = ", ".join(each.name for each in SETTINGS)
        print(f"--only {options.only}: there is none of that name, only {names}", file=sys.stderr)
        return 2
    seconds = sum(_sweep_seconds(each, options) * 1.2 for each in chosen)
    _say(f"{len(chosen)} applications, about {seconds / 60:.0f} minutes")
    print(_HEADER, flush=True)
    failed = False
    for setting in chosen:
        try:
            _try(setting, options)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed = True
            _say(f"{setting.name}: {error}")
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="NAMES", help="with commas; default: all")
    parser.add_argument("--repeats", type=int, default=5, help="trials of each size of the sweep")
    parser.add_argument("--duration", default="2s", help="of a trial, of search and sweep")
    parser.add_argument("--warmup", default="300ms", help="before each trial")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the run files there")
    return parser.parse_args()


def _try(setting: Setting, options: argparse.Namespace) -> None:
    load = (
        *setting.flags, "-c", str(setting.handlers),
        "--duration", options.duration, "--warmup", options.warmup,
    )  # fmt: skip
    grid = Goal(handlers=setting.handlers).grid
    seconds = _sweep_seconds(setting, options)
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        _say(f"{setting.name}: searching")
        search = _valkeybench(
            "size", *load, output=kept / f"{setting.name}-search.json", most=seconds * _PATIENCE
        )
        _say(f"{setting.name}: trying {len(grid)} sizes, about {seconds:.0f} s")
        sweep = _valkeybench(
            "run", *load, "--pool", "blocking", "-m", ",".join(map(str, grid)),
            "--repeats", str(options.repeats),
            output=kept / f"{setting.name}-sweep.json", most=seconds * _PATIENCE,
        )  # fmt: skip
    _print(setting, search, sweep)


def _sweep_seconds(setting: Setting, options: argparse.Namespace) -> float:
    """Give what trying every size takes."""
    load = (parse_duration(options.duration) + parse_duration(options.warmup)) / SECOND
    trials = len(Goal(handlers=setting.handlers).grid) * options.repeats
    return float(trials * (load + _START_UP_SECONDS))


def _valkeybench(*arguments: str, output: Path, most: float) -> Done:
    """Run the command line; give what it kept and the seconds it took."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "valkeybench", *arguments, "-q", "-o", str(output)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=most,
    )
    return Done(run=read_run(output), seconds=time.perf_counter() - began)


def _print(setting: Setting, search: Done, sweep: Done) -> None:
    answer = search.run.recommendations[0]
    swept = [Tried.of(case) for case in sweep.run.cases]
    for each in swept:
        trials = ", ".join(_time(p99) for p99 in each.p99s_ns)
        _say(f"    -m {each.size:<4} p99 {_time(each.p99_ns):>8}  {each.rate:>8,.0f}/s  ({trials})")
    cost = (
        f"{search.seconds:.0f} s",
        f"{sweep.seconds:.0f} s",
        f"{search.seconds / sweep.seconds:.0%}",
    )
    print("| " + " | ".join((setting.words, *_found(answer, swept), *cost)) + " |", flush=True)


def _found(answer: Recommendation, swept: list[Tried]) -> tuple[str, ...]:
    """Give the columns from the size to the noise."""
    best, fastest = min(swept, key=lambda e: e.p99_ns), max(swept, key=lambda e: e.rate)
    apart = f"{max(best.p99s_ns) / min(best.p99s_ns) - 1:.0%}"
    best_p99 = f"{_time(best.p99_ns)} at {best.size}"
    if answer.max_connections is None:
        _say(f"    no size: {answer.reason}")
        return "none", "", best_p99, "", "", apart
    chosen = next(each for each in swept if each.size == answer.max_connections)
    alike = [each.p99_ns for each in swept if each.size >= 2 * chosen.size]
    return (
        str(chosen.size),
        _time(chosen.p99_ns),
        best_p99,
        f"{chosen.p99_ns / best.p99_ns - 1:.0%}",
        f"{1 - chosen.rate / fastest.rate:.1%}",
        f"{apart}, {max(alike) / min(alike) - 1:.0%}" if alike else apart,
    )


def _time(nanoseconds: float) -> str:
    return format_duration(round(nanoseconds))


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
