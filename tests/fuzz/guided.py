"""Fuzzes a target for as long as one likes, guided by the code each input reaches.

    python -m tests.fuzz.guided TARGET [--seconds N] [--inputs N] [--seed N]

With atheris (`pip install atheris`; it is no dependency) libFuzzer makes the inputs. Without it a
small loop of our own does: it keeps what reaches a line of ours that nothing reached before, and
changes what it kept. Every fault is printed once, with the input that shows it; the exit code is 1
when there was one.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from tests.fuzz.targets import Target

_LONGEST = 4096
_PATIENCE_SECONDS = 60
"""After which an input is taken for one that hangs us: all threads are shown, and it ends."""


@dataclass(slots=True)
class Found:
    """What came of the inputs so far."""

    tried: int = 0
    accepted: int = 0
    reached: int = 0
    faults: dict[str, bytes] = field(default_factory=dict)
    """By where each was raised: the first input that showed it."""

    def try_one(self, check: Callable[[bytes], bool], data: bytes) -> None:
        """Try an input; note the fault when it shows one."""
        self.tried += 1
        try:
            self.accepted += bool(check(data))
        except Exception as error:  # noqa: BLE001 - whatever is raised is what we look for
            where = _where(error)
            if where not in self.faults:
                self.faults[where] = data
                sys.stderr.write(f"FAULT {where}\n  input: {data!r}\n")
                traceback.print_exception(error, limit=-6)

    def __str__(self) -> str:
        """Say it on one line."""
        return f"{self.tried} inputs, {self.accepted} accepted, {len(self.faults)} faults"


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename.rpartition('/')[2]}:{frame.lineno}"


class Mutator:
    """Makes inputs of others: changes bytes, takes out, doubles, and joins."""

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self.kept = [each for each in seeds if len(each) <= _LONGEST] or [b""]
        self.draw = Random(seed)  # noqa: S311 - inputs, not cryptography
        self._words = [bytes([n]) for n in b" .,:;/@%#[]{}()<>=\"'\\\r\n\t-+_*$?&"] + [
            *(b"0", b"9" * 30, b"-1", b"1e999", b"\r\n", b"\xc3\xa9", b"\xff", b"\x00", b".."),
        ]  # fmt: skip

    def next(self) -> bytes:
        """Make one."""
        draw = self.draw
        data = draw.choice(self.kept)
        for _ in range(1 << draw.randrange(4)):
            data = self._changed(data)
        return data[:_LONGEST]

    def _changed(self, data: bytes) -> bytes:
        draw = self.draw
        at, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + draw.choice((1, 2, 4, 16, 64)))
        match draw.randrange(6):
            case 0:
                return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
            case 1:
                return data[:at] + data[end:]
            case 2:
                return data[:end] + data[at:end] * draw.choice((1, 1, 2, 9)) + data[end:]
            case 3:
                return data[:at] + draw.choice(self._words) + data[at:]
            case 4:
                return data[:at] + draw.choice(self._words) + data[end:]
        other = draw.choice(self.kept)
        return data[:at] + other[draw.randrange(len(other) + 1) :]


def fuzz(target: Target, *, inputs: int, seconds: float, seed: int) -> Found:
    """Try inputs of our own making, so many or so long, whichever is reached first."""
    found, mutator, lines = Found(), Mutator(target.seeds, seed), set[tuple[str, int]]()
    ends = time.monotonic() + seconds
    waiting = list(target.seeds)[: max(inputs // 4, 1)]
    while found.tried < inputs and time.monotonic() < ends:
        data = waiting.pop() if waiting else mutator.next()
        before = len(lines)
        with _noting(lines):
            found.try_one(target.check, data)
        if len(lines) > before and len(data) <= _LONGEST:
            mutator.kept.append(data)
    found.reached = len(lines)
    return found


@contextmanager
def _noting(lines: set[tuple[str, int]]) -> Iterator[None]:
    """Note which lines of ours are reached; a debugger or coverage that traces has its way back."""
    before = sys.gettrace()

    def on_line(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - as sys.settrace has it
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, _: str, __: Any) -> Any:  # noqa: ANN401 - as sys.settrace has it
        return on_line if "/valkeybench/" in frame.f_code.co_filename else None

    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)


def _with_atheris(name: str, options: argparse.Namespace) -> None:
    """Let libFuzzer make the inputs; it ends the process, and what it says counts them."""
    import atheris  # noqa: PLC0415 - optional

    with atheris.instrument_imports(include=["valkeybench"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - instrumented as it is imported
    target, found = TARGETS[name], Found()
    for each in target.seeds:
        found.try_one(target.check, each)
    mutator = Mutator(target.seeds, options.seed)

    def one(data: bytes) -> None:
        found.try_one(target.check, data)
        if found.tried % 1000 == 0:
            sys.stderr.write(f"{name}: {found}\n")

    def changed(data: bytes, most: int, seed: int) -> bytes:
        mutator.draw.seed(seed)
        mutator.kept[:] = [data, mutator.draw.choice(target.seeds)[:_LONGEST]]
        own = mutator.next() if seed % 2 else atheris.Mutate(data, most)
        return bytes(own[:most])

    flags = [
        "-timeout=60", "-rss_limit_mb=2048", f"-max_len={_LONGEST}", f"-seed={options.seed}",
        f"-max_total_time={int(options.seconds)}", "-print_final_stats=1", "-verbosity=1",
        *([f"-runs={options.inputs}"] if options.inputs else []),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *flags], one, custom_mutator=changed)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the target that is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-atheris", action="store_true")
    options = parser.parse_args()
    if not options.without_atheris:
        try:
            _with_atheris(options.target, options)
        except ImportError:
            sys.stderr.write("atheris is not installed: a loop of our own makes the inputs\n")
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - not before atheris had its chance

    faulthandler.dump_traceback_later(options.seconds + _PATIENCE_SECONDS, exit=True)
    found = fuzz(
        TARGETS[options.target],
        inputs=options.inputs or sys.maxsize,
        seconds=options.seconds,
        seed=options.seed,
    )
    sys.stdout.write(f"{options.target}: {found}, {found.reached} lines reached\n")
    return bool(found.faults)


if __name__ == "__main__":
    sys.exit(main())
