"""What recording costs alone: time and allocations per command, and memory over many of them.

Made-up commands go into a Recorder in blocks, as handlers hand them over; no server, no client.

    python benchmarks/recorder.py [--commands 10000000]
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import tracemalloc

from valkeybench.measurement.recorder import COMMAND_ROW, Recorder, Window
from valkeybench.units import MILLISECOND, SECOND, format_bytes

POOL = 10
ROWS = 1024
"""Rows in a block of a handler, when there are few handlers."""

LENGTH_NS = 10 * SECOND
STEPS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=10_000_000)
    commands = parser.parse_args().commands
    recorder = Recorder(Window(0, LENGTH_NS), capacity=POOL)
    blocks = [_block(random.Random(seed)) for seed in range(16)]  # noqa: S311 - made-up durations
    recorder.record(blocks[0])

    print(f"a handler's block: {format_bytes(ROWS * COMMAND_ROW.size)} of {ROWS} commands")
    tracemalloc.start()
    Recorder(Window(0, LENGTH_NS), capacity=POOL)
    print(f"a process's counters: {format_bytes(tracemalloc.get_traced_memory()[1])}")
    tracemalloc.stop()
    print(f"{'commands':>11} {'ns each':>8} {'peak memory':>12}")
    for step in range(STEPS):
        begun = time.perf_counter_ns()
        done = commands // STEPS // ROWS
        for number in range(done):
            recorder.record(blocks[number % len(blocks)])
        each = (time.perf_counter_ns() - begun) / (done * ROWS)
        total = (step + 1) * done * ROWS
        print(f"{total:>11} {each:>8.1f} {format_bytes(_peak_bytes()):>12}", flush=True)


def _block(draw: random.Random) -> bytes:
    """Make a block of believable commands, spread over the window."""
    rows = []
    for _ in range(ROWS):
        begun = draw.randrange(LENGTH_NS - 100 * MILLISECOND)
        held = begun + round(draw.expovariate(1 / 20_000))
        replied = held + round(draw.expovariate(1 / 150_000)) + 50_000
        done = replied + 5_000
        rows.append(COMMAND_ROW.pack(begun, begun, held, replied, done, draw.randrange(POOL)))
    return b"".join(rows)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
