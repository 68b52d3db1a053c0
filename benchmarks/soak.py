"""Whether memory, files and threads stay what they were when a load goes on for long.

Four generators ask one private server at the same time, each a `valkeybench run` of one trial:
every driver over a pool, and threads that open a connection for every command. Now and then all
processes are looked at: memory they hold (RSS), open files, threads, and what the server counted.

The rule, for every process: after the first sixth, which is for getting warm, the median of the
last third is at most 2 MiB above that of the first; the wire driver may grow by the 48 bytes that
it notes of each command until two million are together. The median of files and threads does not
grow, and throughput falls by 5 % at most. Nothing failed, and no process is left. What does not
hold is said, and the exit code is 1. A soak of a few minutes is for trying it out.

    nice -n 19 python benchmarks/soak.py [--minutes 30] [--rate 100] [--every 30]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import redis

from valkeybench.measurement.recorder import COMMAND_ROW
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.server.endpoint import Endpoint

MIB = 2**20
MAY_GROW = 2 * MIB
LEAST_THROUGHPUT = 0.95
KINDS = (
    ("threads", "blocking"),
    ("asyncio", "blocking"),
    ("wire", "blocking"),
    ("threads", "none"),
)
"""Driver and pool policy of each generator."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a process held when it was looked at."""

    seconds: float
    rss: int
    files: int
    threads: int


@dataclass(slots=True)
class Watched:
    """A process that is looked at, and what was seen of it."""

    name: str
    pid: int
    is_load: bool = False
    notes: int = 0
    """Bytes it may keep of each command."""
    seen: list[Sight] = field(default_factory=list)

    def look(self, seconds: float) -> None:
        """Look at it; one that has ended has nothing more to show."""
        with suppress(OSError):
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
            files = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
            threads = len(list(Path(f"/proc/{self.pid}/task").iterdir()))
            self.seen.append(Sight(seconds, pages * os.sysconf("SC_PAGE_SIZE"), files, threads))


@dataclass(frozen=True, slots=True)
class Counted:
    """What the server had counted at one moment."""

    seconds: float
    commands: int
    clients: int


def main() -> int:
    """Soak, print what was seen, and say by the exit code whether it was flat."""
    options = _options()
    begun = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="soak-")))
        endpoint = stack.enter_context(embedded_server())
        runs = []
        for kind in KINDS:
            runs.append(stack.enter_context(_run(endpoint, kind, options, directory)))
            stack.callback(runs[-1].terminate)  # does nothing to one that has ended
        settings: Any = endpoint.connection_kwargs()
        asking = stack.enter_context(closing(redis.Redis(**settings)))
        watched = _watched(endpoint, runs)
        counted = _watch(watched, asking, runs, every=options.every, begun=begun)
        faults = _ended(runs, directory)
        family = [process.pid for process in watched if process.name != "server"]
        faults += [f"process {pid} is left" for pid in family if Path(f"/proc/{pid}").exists()]
    used = os.times()
    _print_processes(watched)
    minutes = (time.monotonic() - begun) / 60
    cpu = (used.children_user + used.children_system + used.user + used.system) / (60 * minutes)
    print(f"\n{minutes:.1f} min, {counted[-1].commands} commands, {cpu:.1%} of a CPU in all")
    faults += [fault for process in watched for fault in judge(process, counted)]
    faults += judge_throughput(counted)
    print("\n".join(["not flat:", *faults] if faults else ["flat, by the rule above"]))
    return int(bool(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=100, help="commands per second in all")
    parser.add_argument("--every", type=float, default=30, help="seconds between looks")
    return parser.parse_args()


def _run(
    endpoint: Endpoint, kind: tuple[str, str], options: argparse.Namespace, directory: Path
) -> subprocess.Popen[bytes]:
    driver, pool = kind
    password = "" if endpoint.password is None else endpoint.password.reveal()
    # The fewer handlers, the sooner each has filled its first block of notes, and grows no more.
    words = (
        *("run", "--driver", driver, "--pool", pool, "-c", "2", "-m", "1", "--repeats", "1"),
        *("--rate", f"{options.rate / len(KINDS)}", "--duration", f"{options.minutes * 60:.0f}s"),
        *("--command", "SET key:{0..99} {value}", "--command", "GET key:{0..99}"),
        *("--warmup", "1s", "--yes", "--json", "-q", "--url", endpoint.address),
    )
    secret = {"VALKEYBENCH_PASSWORD": password}
    kept, said = (directory / f"{driver}-{pool}.{suffix}" for suffix in ("json", "txt"))
    with kept.open("wb") as out, said.open("wb") as err:
        command = [sys.executable, "-m", "valkeybench", *words]
        return subprocess.Popen(command, env=os.environ | secret, stdout=out, stderr=err)


def _watched(endpoint: Endpoint, runs: Sequence[subprocess.Popen[bytes]]) -> list[Watched]:
    """Find the processes there are once every load is at work."""
    found = [Watched("server", endpoint.pid or 0)]
    for (driver, pool), run in zip(KINDS, runs, strict=True):
        notes = COMMAND_ROW.size if driver == "wire" else 0
        found += [
            Watched(f"load {driver}, {pool}", _load_process(run), is_load=True, notes=notes),
            Watched(f"coordinator {driver}, {pool}", run.pid),
        ]
    return found


def _load_process(run: subprocess.Popen[bytes]) -> int:
    """Wait for the load process of a run; raises RuntimeError when there comes none."""
    while run.poll() is None:
        for pid in _children(run.pid):
            with suppress(OSError):
                if b"valkeybench.load" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        time.sleep(0.1)
    raise RuntimeError(f"a run ended with {run.returncode} before its load")


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text(encoding="ascii").split())


def _watch(
    watched: Sequence[Watched],
    asking: redis.Redis,
    runs: Sequence[subprocess.Popen[bytes]],
    *,
    every: float,
    begun: float,
) -> list[Counted]:
    """Look at everybody again and again until the first run ends."""
    print("  min   commands/s   clients | server MiB  files threads | loads MiB  files threads")
    counted: list[Counted] = []
    while all(run.poll() is None for run in runs) and all(map(_is_there, watched)):
        seconds = time.monotonic() - begun
        info: Any = asking.info("commandstats")
        calls = sum(info.get(name, {}).get("calls", 0) for name in ("cmdstat_get", "cmdstat_set"))
        clients: Any = asking.info("clients")
        counted.append(Counted(seconds, calls, clients["connected_clients"]))
        for process in watched:
            process.look(seconds)
        _print_sight(watched, counted)
        time.sleep(every)
    return counted


def _is_there(process: Watched) -> bool:
    return Path(f"/proc/{process.pid}/fd").exists() and process.pid != 0


def _print_sight(watched: Sequence[Watched], counted: Sequence[Counted]) -> None:
    now, before = counted[-1], counted[-2] if len(counted) > 1 else None
    rate = (
        "-"
        if before is None
        else f"{(now.commands - before.commands) / (now.seconds - before.seconds):.1f}"
    )
    server = watched[0].seen[-1]
    loads = [process.seen[-1] for process in watched if process.is_load]
    print(
        f"{now.seconds / 60:>5.1f} {rate:>12} {now.clients:>9} |"
        f" {server.rss / MIB:>10.2f} {server.files:>6} {server.threads:>7} |"
        f" {sum(load.rss for load in loads) / MIB:>9.2f}"
        f" {sum(load.files for load in loads):>6} {sum(load.threads for load in loads):>7}",
        flush=True,
    )


def _ended(runs: Sequence[subprocess.Popen[bytes]], directory: Path) -> list[str]:
    """Wait for the runs; say which did not end well, or had a command fail."""
    faults = []
    for (driver, pool), run in zip(KINDS, runs, strict=True):
        if run.wait() != 0:
            said = (directory / f"{driver}-{pool}.txt").read_text(encoding="utf-8")
            faults.append(f"the run of {driver}, {pool} ended with {run.returncode}: {said}")
            continue
        kept = json.loads((directory / f"{driver}-{pool}.json").read_bytes())
        summary = kept["cases"][0]["summary"]
        lost = {what: summary[what] for what in ("failed", "unfinished", "dropped")}
        if any(lost.values()):
            faults.append(f"{driver}, {pool}: {lost} of {summary['attempted']}")
    return faults


def _thirds(seen: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Give the first and the last third of what was seen after the first sixth."""
    warm = seen[len(seen) // 6 :]
    third = max(len(warm) // 3, 1)
    return warm[:third], warm[-third:]


def _growth(process: Watched) -> float:
    first, last = _thirds(process.seen)
    return float(statistics.median(s.rss for s in last) - statistics.median(s.rss for s in first))


def judge(process: Watched, counted: Sequence[Counted]) -> list[str]:
    """Say what of the rule does not hold for a process."""
    commands = (counted[-1].commands - counted[0].commands) / len(KINDS)
    may_grow = MAY_GROW + process.notes * commands
    faults = []
    if _growth(process) > may_grow:
        faults.append(f"{process.name} grew by {_growth(process) / MIB:.2f} MiB")
    first, last = _thirds(process.seen)
    for what in ("files", "threads"):
        # Connections that live for one command come and go: what is usual is looked at.
        before, after = (
            statistics.median(getattr(s, what) for s in part) for part in (first, last)
        )
        if after > before:
            faults.append(f"{process.name}: {before:.0f} {what} became {after:.0f}")
    return faults


def judge_throughput(counted: Sequence[Counted]) -> list[str]:
    """Say so if less went through at the end than at the beginning."""
    first, last = (
        (part[-1].commands - part[0].commands) / max(part[-1].seconds - part[0].seconds, 1e-9)
        for part in _thirds(counted)
    )
    slower = last < LEAST_THROUGHPUT * first
    return [f"throughput fell from {first:.1f}/s to {last:.1f}/s"] if slower else []


def _print_processes(watched: Sequence[Watched]) -> None:
    print(f"\n{'process':<30} {'first third':>12} {'last third':>12} {'growth':>12} files threads")
    for process in watched:
        first, last = _thirds(process.seen)
        medians = [statistics.median(s.rss for s in part) / MIB for part in (first, last)]
        print(
            f"{process.name:<30} {medians[0]:>8.2f} MiB {medians[1]:>8.2f} MiB"
            f" {_growth(process) / MIB:>+8.2f} MiB {statistics.median(s.files for s in last):>5.0f}"
            f" {statistics.median(s.threads for s in last):>7.0f}",
        )


if __name__ == "__main__":
    sys.exit(main())
