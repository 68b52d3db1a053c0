"""What adding up costs: measurements of many load processes, merged and as they travel.

One real measurement is taken (50 handlers, a pool of 10, saturated for a second), and added up
as if so many processes had seen the like. Prints medians of several rounds.

    python benchmarks/merging.py [--rounds 5] [--shards 1,10,100,1000]
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from valkeybench.load.places import LocalPlace
from valkeybench.load.talk import pack, unpack
from valkeybench.measurement.measurement import Measurement
from valkeybench.plan.trial import Trial
from valkeybench.scenario.model import Case, Pool, Think
from valkeybench.server.embedded import embedded_server
from valkeybench.units import SECOND, format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main() -> None:
    """Measure and print the table."""
    options = _options()
    shard = _measure()
    frame = pack(shard)
    print(f"one shard: {shard.completed} commands, {format_bytes(len(frame))} on the pipe")
    print(f"{'shards':>7} {'adding up':>10} {'per shard':>10} {'unpacking':>10} {'on pipes':>10}")
    for shards in map(int, options.shards.split(",")):
        adding = _median_ns(partial(sum, [shard] * shards, Measurement()), options.rounds)
        reading = _median_ns(partial(_unpack_all, [frame] * shards), options.rounds)
        print(
            f"{shards:>7} {format_duration(adding):>10} {format_duration(adding // shards):>10} "
            f"{format_duration(reading):>10} {format_bytes(shards * len(frame)):>10}",
            flush=True,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards", default="1,10,100,1000")
    return parser.parse_args()


def _median_ns(work: Callable[[], Any], rounds: int) -> int:
    lasted = []
    for _ in range(rounds):
        begun = time.perf_counter_ns()
        work()
        lasted.append(time.perf_counter_ns() - begun)
    return round(statistics.median(lasted))


def _unpack_all(frames: Sequence[bytes]) -> None:
    for frame in frames:
        unpack(frame)


def _measure() -> Measurement:
    trial = Trial(
        case=Case(pool=Pool.BLOCKING, think=Think(0)),
        case_index=0,
        repeat=0,
        seed="merging",
        duration_ns=SECOND,
        warmup_ns=0,
        prewarm=True,
        commands=("GET key:{0..9999}",),
        tally_replies=False,
        key_prefix="valkeybench:merging:",
    )
    with embedded_server() as endpoint, LocalPlace().standing_by(trial, endpoint) as load:
        return load.run()


if __name__ == "__main__":
    main()
