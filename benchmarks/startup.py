"""What starting valkeybench costs: `--help` against importing the two libraries behind it.

Run it from an environment that has valkeybench installed:

    python benchmarks/startup.py --limit 1.3

Each round starts both programs, in turns about who goes first, so a slow minute of the machine
slows both. Exit code 0 is done, 1 is over the limit, 2 is a program that could not be run.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, OVER_LIMIT, NOT_RUN = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Wall times of both programs, round by round, in nanoseconds."""

    command_ns: tuple[int, ...]
    baseline_ns: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """How many times the baseline's median the command's median is."""
        return median(self.command_ns) / median(self.baseline_ns)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    python = shlex.quote(sys.executable)
    parser.add_argument("--rounds", type=positive, default=20, help="starts of each (default 20)")
    parser.add_argument("--limit", type=float, help="exit with 1 when the ratio is above this")
    parser.add_argument(
        "--command", default=f"{python} -m valkeybench --help", help="what is timed"
    )
    parser.add_argument(
        "--baseline", default=f"{python} -c 'import typer, rich'", help="what it is compared with"
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """Read a count of at least one; raises ValueError otherwise, which argparse explains."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def start(command: Sequence[str]) -> int:
    """Run a program to its end and tell the nanoseconds; raises CalledProcessError or OSError."""
    began = time.perf_counter_ns()
    subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return time.perf_counter_ns() - began


def interleave(command: Sequence[str], baseline: Sequence[str], *, rounds: int) -> Timings:
    """Time both programs `rounds` times, taking turns, after one start of each that is not kept."""
    kept: dict[str, list[int]] = {"command": [], "baseline": []}
    turns = [("command", command), ("baseline", baseline)]
    for _, program in turns:  # the first start compiles bytecode and fills the file cache
        start(program)
    for _ in range(rounds):
        for name, program in turns:
            kept[name].append(start(program))
        turns.reverse()
    return Timings(command_ns=tuple(kept["command"]), baseline_ns=tuple(kept["baseline"]))


def table(timings: Timings) -> str:
    """Lay out median and range of both in milliseconds, and the ratio of the medians."""
    lines = [f"{'':10}{'median':>12}{'fastest':>12}{'slowest':>12}"]
    for name, times in (("command", timings.command_ns), ("baseline", timings.baseline_ns)):
        cells = (median(times), min(times), max(times))
        lines.append(f"{name:10}" + "".join(f"{ns / 1e6:>9.1f} ms" for ns in cells))
    lines.append(f"{'ratio':10}{timings.ratio:>9.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time, print the table, and give the exit code."""
    asked = read_arguments(arguments)
    command, baseline = shlex.split(asked.command), shlex.split(asked.baseline)
    try:
        timings = interleave(command, baseline, rounds=asked.rounds)
    except subprocess.CalledProcessError as error:
        print(f"{shlex.join(error.cmd)} ended with {error.returncode}:", file=sys.stderr)
        print(error.stderr.strip(), file=sys.stderr)
        return NOT_RUN
    except OSError as error:
        print(f"could not be started: {error}", file=sys.stderr)
        return NOT_RUN
    print(table(timings))
    if asked.limit is not None and timings.ratio > asked.limit:
        print(f"over the limit: {timings.ratio:.2f} > {asked.limit}", file=sys.stderr)
        return OVER_LIMIT
    return DONE


if __name__ == "__main__":
    sys.exit(main())
