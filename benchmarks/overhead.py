"""What recording every phase costs: each driver against a bare loop on the same pool.

Both run the same commands over redis-py's BlockingConnectionPool (redis.asyncio's for
tasks), with as many connections as handlers, in a fresh process each, without think time,
taking turns. Compared is the client's CPU time per command, as the median over pairs of
runs.

    python benchmarks/overhead.py [--driver threads|asyncio] [--rounds 9]
                                  [--limit-pinned 1.10] [--limit-unpinned 1.05]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from valkeybench.load.places import LocalPlace
from valkeybench.plan.trial import Trial
from valkeybench.plan.workload import command_table
from valkeybench.scenario.model import Case, Driver, Pool, Think
from valkeybench.server.embedded import embedded_server
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

COMMANDS = ("GET key:{0..9999}",)
HANDLERS = (1, 10, 50)
WARMUP_SECONDS = 0.3


def main() -> int:
    """Measure, print the table, and say by the exit code whether the limits hold."""
    options = _options()
    if options.bare:
        _serve_bare()
        return 0
    over = False
    print(f"The {options.driver} driver:")
    print("placement  handlers      bare  valkeybench   ratio  limit")
    with embedded_server() as endpoint:
        for placement, limit in (
            ("pinned", options.limit_pinned),
            ("unpinned", options.limit_unpinned),
        ):
            cpus = _place(placement, endpoint)
            for handlers in HANDLERS:
                pairs = [
                    _pair(Load(endpoint, options.driver, handlers, cpus, options.seconds), number)
                    for number in range(options.rounds)
                ]
                ratio = statistics.median(ours / bare for bare, ours in pairs)
                bare, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
                over |= ratio > limit
                print(
                    f"{placement:<10} {handlers:>8} {bare:>6.1f} µs {ours:>9.1f} µs "
                    f"{ratio:>7.3f} {limit:>6.2f}",
                    flush=True,
                )
    return int(over)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--driver", type=Driver, choices=list(Driver), default=Driver.THREADS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--limit-pinned", type=float, default=1.10)
    parser.add_argument("--limit-unpinned", type=float, default=1.05)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _place(placement: str, endpoint: Endpoint) -> frozenset[int]:
    """Put the server on the first CPU, where the clients will be, or leave everybody free."""
    usable = sorted(os.sched_getaffinity(0))
    cpus = frozenset(usable[:1] if placement == "pinned" else usable)
    if endpoint.pid is not None:
        os.sched_setaffinity(endpoint.pid, cpus)
    return cpus


@dataclass(frozen=True, slots=True)
class Load:
    """What both sides of a comparison do."""

    endpoint: Endpoint
    driver: Driver
    handlers: int
    cpus: frozenset[int]
    seconds: float


def _pair(load: Load, number: int) -> tuple[float, float]:
    """Run both, one after the other; give microseconds of CPU per command, bare first."""
    sides = [_ours, _bare] if number % 2 else [_bare, _ours]
    results = {side: side(load) for side in sides}
    return results[_bare], results[_ours]


def _ours(load: Load) -> float:
    case = Case(
        driver=load.driver, pool=Pool.BLOCKING, max_connections=load.handlers,
        concurrency=load.handlers, think=Think(0),
    ).meaningful()  # fmt: skip
    trial = Trial(
        case=case, case_index=0, repeat=0, seed="overhead",
        duration_ns=round(load.seconds * 1e9),
        warmup_ns=round(WARMUP_SECONDS * 1000) * MILLISECOND, prewarm=True, commands=COMMANDS,
        tally_replies=False, key_prefix="valkeybench:overhead:", pin=load.cpus,
    )  # fmt: skip
    with LocalPlace().standing_by(trial, load.endpoint) as standing_by:
        seen = standing_by.run()
    if seen.failed or not seen.completed:
        raise SystemExit(f"the load failed: {dict(seen.failures)}")
    return seen.cpu_ns / seen.completed / 1000


def _bare(load: Load) -> float:
    order = {
        "settings": load.endpoint.connection_kwargs(),
        "driver": load.driver,
        "handlers": load.handlers,
        "cpus": sorted(load.cpus),
        "seconds": load.seconds,
    }
    done = subprocess.run(
        [sys.executable, __file__, "--bare"],
        input=json.dumps(order), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def _serve_bare() -> None:
    """Be the bare loop: redis-py's pool and nothing else, in a process of its own."""
    order = json.load(sys.stdin)
    os.sched_setaffinity(0, order["cpus"])
    settings = order["settings"] | {
        "max_connections": order["handlers"],
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
    }
    handlers, seconds = order["handlers"], order["seconds"]
    if order["driver"] == Driver.ASYNCIO:
        print(asyncio.run(_cpu_per_command_of_tasks(settings, handlers, seconds)))
        return
    pool = redis.BlockingConnectionPool(retry=Retry(NoBackoff(), 0), **settings)
    taken = [pool.get_connection() for _ in range(handlers)]
    for connection in taken:
        pool.release(connection)
    print(_cpu_per_command(pool, handlers, seconds))


async def _cpu_per_command_of_tasks(
    settings: dict[str, Any], handlers: int, seconds: float
) -> float:
    pool: Any = redis.asyncio.BlockingConnectionPool(retry=AsyncRetry(NoBackoff(), 0), **settings)
    taken = [await pool.get_connection() for _ in range(handlers)]
    for connection in taken:
        await pool.release(connection)
    table: list[Any] = command_table(
        COMMANDS, seed="bare", prefix="valkeybench:overhead:", value_size=64
    )
    counts = [0] * handlers
    running = True

    async def loop(number: int) -> None:
        ask = redis.asyncio.Redis(connection_pool=pool).execute_command
        for command in itertools.islice(itertools.cycle(table), number * 100, None):
            await ask(*command)
            counts[number] += 1
            if not running:
                return

    tasks = [asyncio.create_task(loop(number)) for number in range(handlers)]
    await asyncio.sleep(WARMUP_SECONDS)
    done, used = sum(counts), time.process_time()
    await asyncio.sleep(seconds)
    done, used = sum(counts) - done, time.process_time() - used
    running = False
    await asyncio.gather(*tasks)
    await pool.disconnect()
    return used / done * 1e6


def _cpu_per_command(pool: redis.ConnectionPool, handlers: int, seconds: float) -> float:
    requests = command_table(COMMANDS, seed="bare", prefix="valkeybench:overhead:", value_size=64)
    table = [request for request in requests if isinstance(request, tuple)]
    counts = [0] * handlers
    running = True

    def loop(number: int) -> None:
        ask = redis.Redis(connection_pool=pool).execute_command
        for command in itertools.islice(itertools.cycle(table), number * 100, None):
            ask(*command)
            counts[number] += 1
            if not running:
                return

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(handlers)]
    for thread in threads:
        thread.start()
    time.sleep(WARMUP_SECONDS)
    done, used = sum(counts), time.process_time()
    time.sleep(seconds)
    done, used = sum(counts) - done, time.process_time() - used
    running = False
    for thread in threads:
        thread.join()
    return used / done * 1e6


if __name__ == "__main__":
    sys.exit(main())
