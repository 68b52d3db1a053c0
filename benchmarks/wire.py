"""What the `wire` driver can send, beside load generators written in C and Rust.

It wants a machine that does nothing else: the server has one CPU's worth of work, and so have
generators; when others take some, the numbers tell who was given more.

One generator thread each, 50 connections, GET, the same server, taking turns; `wire` records
every phase of every command as in any run. Compared is throughput, as the median over rounds
of the ratio within a round. `most` is the ratio at which the server would be busy all the time,
by what a command cost it in our turns: no generator could show more. Without a pool each turn
is short and followed by a pause, or all would only show how fast this machine runs out of
ports.

    python benchmarks/wire.py [--rounds 7] [--seconds 1.0]

It needs valkey-benchmark (Debian: valkey-tools) and a valkey-server with TLS; resp-benchmark
(`pip install resp-benchmark`) joins when it is on PATH. The server answers without a password,
so that no generator has to introduce itself. Exit code 1 says that a target was missed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import redis

from valkeybench.load.places import LocalPlace
from valkeybench.plan.trial import Trial
from valkeybench.scenario.model import Case, Driver, Handshake, Pool, ServerSettings, Think
from valkeybench.server.session import open_servers
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.server.endpoint import Endpoint

CONNECTIONS = 50
KEY = "valkeybench:benchmark"
UNPOOLED_COMMANDS = 8_000
UNPOOLED_SECONDS = 0.25
PORTS_FREE_AGAIN_SECONDS = 1.2


@dataclass(frozen=True)
class Contest:
    """Two that take turns, and the ratio ours should reach."""

    name: str
    rival: str
    tls: bool
    pooled: bool
    target: float


CONTESTS = (
    Contest("pooled", "valkey-benchmark", tls=False, pooled=True, target=1.25),
    Contest("pooled, TLS", "valkey-benchmark", tls=True, pooled=True, target=1.15),
    Contest("no pool", "valkey-benchmark", tls=False, pooled=False, target=1.0),
    Contest("pooled", "resp-benchmark", tls=False, pooled=True, target=1.25),
)


def main() -> int:
    """Measure, print the table, and say by the exit code whether the targets were met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    missed = False
    print(
        f"{'load':<12} {'rival':<17} {'rival/s':>8} {'wire/s':>8} {'ratio':>6} {'range':>11} "
        f"{'most':>5} target"
    )
    with open_servers(ServerSettings(), maxclients_needed=200, tls=(False, True)) as serving:
        _let_everybody_in(serving.endpoint(tls=False))
        for contest in CONTESTS:
            if shutil.which(contest.rival) is None:
                print(f"{contest.name:<12} {contest.rival:<17} is not on PATH")
                continue
            plain, endpoint = (
                replace(serving.endpoint(tls=tls), password=None, username=None)
                for tls in (False, contest.tls)
            )
            rounds = [
                _round(contest, endpoint, options.seconds, plain, swap=bool(number % 2))
                for number in range(options.rounds)
            ]
            missed |= not _report(contest, rounds)
    return int(missed)


@dataclass(frozen=True)
class Round:
    """Commands per second of both, and what one of ours cost the server."""

    theirs: float
    ours: float
    server_seconds: float


def _report(contest: Contest, rounds: list[Round]) -> bool:
    ratios = sorted(each.ours / each.theirs for each in rounds)
    theirs, ours = (
        statistics.median(side) for side in zip(*((r.theirs, r.ours) for r in rounds), strict=True)
    )
    most = statistics.median(1 / each.server_seconds / each.theirs for each in rounds)
    ratio = statistics.median(ratios)
    spread = f"{ratios[0]:.2f}–{ratios[-1]:.2f}"
    print(
        f"{contest.name:<12} {contest.rival:<17} {theirs:>8.0f} {ours:>8.0f} {ratio:>6.2f} "
        f"{spread:>11} {most:>5.2f} {contest.target:>6.2f}",
        flush=True,
    )
    return ratio >= contest.target


def _let_everybody_in(endpoint: Endpoint) -> None:
    with redis.Redis(**endpoint.connection_kwargs()) as client:  # type: ignore[arg-type]  # by name
        client.set(KEY, "x" * 64)
        client.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")


def _round(
    contest: Contest, endpoint: Endpoint, seconds: float, plain: Endpoint, *, swap: bool
) -> Round:
    """Run both, one after the other; what they cost the server is asked the `plain` way."""
    rivals = {"valkey-benchmark": _valkey_benchmark, "resp-benchmark": _resp_benchmark}
    sides: list[Callable[[Contest, Endpoint, float], float]] = [rivals[contest.rival], _wire]
    reached, cost = {}, {}
    for side in reversed(sides) if swap else sides:
        before = _server_use(plain)
        reached[side] = side(contest, endpoint, seconds)
        used, commands = (
            after - then for after, then in zip(_server_use(plain), before, strict=True)
        )
        cost[side] = used / commands
        if not contest.pooled:
            time.sleep(PORTS_FREE_AGAIN_SECONDS)
    return Round(reached[sides[0]], reached[sides[1]], cost[sides[1]])


def _server_use(endpoint: Endpoint) -> tuple[float, int]:
    """Give the server's CPU seconds and the commands it has processed, by its own counters."""
    with redis.Redis(**endpoint.connection_kwargs()) as client:  # type: ignore[arg-type]  # by name
        told = client.info("everything")
    used = told["used_cpu_user_main_thread"] + told["used_cpu_sys_main_thread"]
    return used, told["total_commands_processed"]


def _wire(contest: Contest, endpoint: Endpoint, seconds: float) -> float:
    case = Case(
        pool=Pool.FAIR if contest.pooled else Pool.NONE, max_connections=CONNECTIONS,
        concurrency=CONNECTIONS, driver=Driver.WIRE, think=Think(0), tls=contest.tls,
        handshake=Handshake.MINIMAL, protocol=2,
    )  # fmt: skip
    lasts = seconds if contest.pooled else UNPOOLED_SECONDS
    trial = Trial(
        case=case.meaningful(), case_index=0, repeat=0, seed="wire", commands=(f"GET {KEY}",),
        duration_ns=round(lasts * SECOND), warmup_ns=(100 if contest.pooled else 20) * MILLISECOND,
        prewarm=True, tally_replies=False, key_prefix="",
    )  # fmt: skip
    with LocalPlace().standing_by(trial, endpoint) as load:
        seen = load.run()
    if seen.failed or not seen.completed:
        raise SystemExit(f"the load failed: {dict(seen.failures)}")
    return seen.completed / lasts


def _valkey_benchmark(contest: Contest, endpoint: Endpoint, seconds: float) -> float:
    count = round(100_000 * seconds) if contest.pooled else UNPOOLED_COMMANDS
    words = ["-c", str(CONNECTIONS), "-n", str(count), "-k", "01"[contest.pooled], "--csv"]
    if contest.tls:
        words += ["--tls", "--cacert", endpoint.trust.ca_certs or ""]
    said = _say(contest.rival, endpoint, *words, "GET", KEY)
    return float(said.splitlines()[-1].split('","')[1])


def _resp_benchmark(contest: Contest, endpoint: Endpoint, seconds: float) -> float:
    words = ["-c", str(CONNECTIONS), "-s", str(max(round(seconds), 1)), "--cores", "0"]
    said = _say(contest.rival, endpoint, *words, f"GET {KEY}")
    return float(re.findall(r"qps: (\d+),", said)[-1])


def _say(program: str, endpoint: Endpoint, *words: str) -> str:
    done = subprocess.run(
        [program, "-h", endpoint.host, "-p", str(endpoint.port), *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
