"""What is fuzzed: each target takes bytes, checks what we promise of them, and has seeds.

A target gives whether the bytes were accepted. It lets every exception through that is not one
of ours turned into a refusal, and raises AssertionError where a promise is broken.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz import files, replies, words
from tests.measurement.looks import REDIS_6, VALKEY_9
from tests.server.processes import ROOT
from valkeybench.results.bounds import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that reads what others wrote."""

    check: Callable[[bytes], bool]
    seeds: Sequence[bytes]
    is_slow: bool = False
    """Whether one input takes tens of milliseconds."""


def of_text(check: Callable[[str], bool]) -> Callable[[bytes], bool]:
    """Take bytes for text; what is not UTF-8 arrives as it does on a command line."""
    return lambda data: check(data.decode("utf-8", "surrogateescape"))


def in_file(check: Callable[[Path], bool]) -> Callable[[bytes], bool]:
    """Put bytes into a file."""

    def checked(data: bytes) -> bool:
        path = Path(_directory().name) / "run.json"
        path.write_bytes(data)
        return check(path)

    return checked


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


STRANGE: tuple[Any, ...] = (
    *(0, 1, -1, 2, 0.5, -0.0, 5e-324, 1e18, LARGEST, LARGEST + 1, -LARGEST, 10**400, 1e308),
    *("", "x", "\x1b[2J<script>alert(1)</script>", "=1+1", "\ud800"[:0], "none", "9" * 50),
    *(None, True, False, [], {}, [[]], [None], {"": 0}, ["x"], [0] * 40, {"p99": "5ms"}),
    *("HISTFAAAABx4", "HISTFAAAAEV42pNpmSzMwMDAwQABzFCaEUoz2X+AMIQZAEX8Aec=", "AAAA" * 20),
)
"""What is put where something else belongs."""


def spoilt(data: bytes) -> bytes:
    """Make a run that is not quite one: bytes say which run, and what becomes of which places."""
    number = data[0] % len(files.documents()) if data else 0
    document = json.loads(files.documents()[number])
    known = files.all_places(number)
    for at in range(1, len(data) - 3, 4):
        where, how, what = int.from_bytes(data[at : at + 2]), data[at + 2], data[at + 3]
        _spoil(document, known[where % len(known)], how % 6, what)
    text = json.dumps(document)
    if data and data[-1] == 0:
        text = text[: len(text) * (1 + data[len(data) // 2]) // 256]
    return text.encode()


def _spoil(document: Any, place: Sequence[Any], how: int, what: int) -> None:  # noqa: ANN401 - any JSON
    part = document
    try:
        for name in place[:-1]:
            part = part[name]
        last, value = place[-1], part[place[-1]]
        if how == 0:
            del part[last]
        elif how == 1:
            part[last] = [value] * (what % 5)
        elif how == 2 and isinstance(value, int | float):
            part[last] = value * (what - 128) // 16 if isinstance(value, int) else value * what
        elif how == 3 and isinstance(value, str):
            part[last] = value[: what % (len(value) + 1)] + value[what % (len(value) + 1) + 1 :]
        elif how == 4 and isinstance(part, dict):
            part[f"{last}{what}"] = value
        else:
            part[last] = STRANGE[what % len(STRANGE)]
    except (LookupError, TypeError):  # another change has taken that place away
        pass


def _histogram(data: bytes) -> bool:
    return files.histogram(data.decode("ascii", "replace"))


@cache
def _histograms() -> tuple[bytes, ...]:
    run = files.reference()
    return tuple(h.encode() for h in list(run.cases[0].trials[0].histograms.values())[:4])


SCENARIOS = tuple(p.read_bytes() for p in sorted((ROOT / "scenarios").glob("*.toml")))
NOISE = b"""{"schema_version": 1, "floors": [{"created": "2026-01-01T00:00:00Z", "fingerprint":
{"machine": "x", "load": [1, null]}, "pairs": 12, "scatter": {"response.p99": 0.05}}]}"""
REPLIES = (
    b"$5\r\nhello\r\n", b"+OK\r\n", b":42\r\n", b"-ERR no\r\n",
    b"*2\r\n$1\r\na\r\n:1\r\n", b"_\r\n",
    b"%1\r\n+a\r\n#t\r\n", b">2\r\n+moving\r\n:1\r\n+OK\r\n", b",1.5\r\n", b"(123456789\r\n",
    b"=7\r\ntxt:abc\r\n", b"~1\r\n+x\r\n", b"|1\r\n+k\r\n:1\r\n+OK\r\n", b"$-1\r\n", b"*-1\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$?\r\n", b"-MOVED 1 127.0.0.1:1\r\n", b"!3\r\nERR\r\n",
)  # fmt: skip
INFO = b"""# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\nprocess_id:7\r\n# Clients\r
connected_clients:2\r\nmaxclients:10000\r\nused_memory:1000\r\nused_cpu_user:0.5\r
used_cpu_sys:0.25\r\nused_cpu_user_main_thread:0.4\r\nused_cpu_sys_main_thread:0.1\r
total_error_replies:2\r\nerrorstat_ERR:count=2\r\nrole:master\r\nconnected_slaves:0\r
cmdstat_get:calls=10,usec=20,usec_per_call=2.00,rejected_calls=0,failed_calls=0\r\n"""

TARGETS = {
    "scenario": Target(check=of_text(words.toml), seeds=SCENARIOS),
    "flags": Target(
        check=of_text(words.flags),
        seeds=(
            b"pool=none,raising,blocking,fair\nmax_conn=5,10\nconcurrency=4",
            b"pin=client=0,server=1",
            b"think=constant 5ms\nrate=300/min\nvalue_size=random lognormal 100..4KiB",
            b"tls=both\nduration=250ms\nurl=valkey://u:p@h:1/2\ncluster=true",
            b"place=tcp://h:8786\nprocesses=2\nhandshake=shipped,minimal\nfail_if=failed > 0",
        ),
    ),
    "variables": Target(
        check=of_text(words.variables),
        seeds=(b"valkey://u:p@h:1/2\nword", b"rediss://h\n", b"unix:///x.sock\nw\xc3\xbcrd"),
    ),
    "limit": Target(
        check=of_text(words.limit),
        seeds=(
            b"response.p99 < 5ms", b"throughput >= 1000/s", b"failed <= 0.1%", b"dropped > 3",
            b"command.p50[tls=on] / command.p50[tls=off] < 1.5", b"fairness < 0.95",
            b"pool_wait.p999[pool=fair,max_conn=5]>=1.5us", b"pool_timeout/failed < 150%",
        ),
    ),
    "comparison": Target(
        check=of_text(words.comparison),
        seeds=(b"response.p99=10%", b"pool_wait.p99=200us", b"failed=5%", b"connect.p50"),
    ),
    "url": Target(
        check=of_text(words.url),
        seeds=(
            b"valkey://user:c4n4ry@h:6379/2", b"rediss://:c4n4ry@[::1]:7/0", b"valkey://h?db=3",
            b"unix://u:c4n4ry@/run/x.sock?db=2", b"valkeys://%41:c4n4ry%25@h", b"http://c4n4ry@h",
            b"redis://u:c4n4ry/@h:1", b"valkey://h:1/c4n4ry", b"valkey://[fe80::1%25eth0]:1",
        ),
    ),
    "command": Target(
        check=of_text(words.command),
        seeds=(
            b"GET key:{0..9999}", b"SET key:{zipf(1.2):0..99} {value} @3", b"MGET a{{t}}1 a{{t}}2",
            b"PIPELINE 10 GET a:{seq:0..99} ; SET b:{0..9} {value}", b"MULTI INCR n ; GET n",
            b"HGET h:{0..9} 'f ;x' @0.5", b'SET "a b" \\; ', b"HMGET h f:{0..9} f:{0..2}", b"PING",
        ),
    ),
    "quantity": Target(
        check=of_text(words.quantity),
        seeds=(b"10ms", b"1.5s", b"250us", b"2m", b"1KiB", b"2MB", b"5k/s", b"600/min", b"0"),
    ),
    "fleet": Target(
        check=of_text(words.fleet),
        seeds=(b"4\n12\n20\n1\n3", b"2\n\n\n\n\n\non\n10000\n65536\n10\n80%\n25%\n100%\n300s"),
    ),
    "client list": Target(
        check=of_text(words.client_list), seeds=(VALKEY_9.encode(), REDIS_6.encode())
    ),
    "info": Target(check=of_text(words.info), seeds=(INFO,)),
    "reply": Target(check=replies.splits, seeds=REPLIES),
    "wire driver": Target(
        check=replies.driven, seeds=tuple(b"\x03" + each for each in REPLIES), is_slow=True
    ),
    "wire talk": Target(
        check=replies.babbled, seeds=tuple(b"\x03" + each for each in REPLIES), is_slow=True
    ),
    "run file": Target(
        check=in_file(files.run_file),
        seeds=(b'{"schema_version": 1, "cases": []}', *(d.encode() for d in files.documents()[:1])),
        is_slow=True,
    ),
    "spoilt run": Target(
        check=lambda data: in_file(files.run_file)(spoilt(data)),
        seeds=(b"\x00", b"\x01\x00\x10\x05\x07", b"\x00\x02\x10\x02\x90\x01\x30\x00\x03\x07"),
        is_slow=True,
    ),
    "noise file": Target(check=in_file(files.noise_file), seeds=(NOISE,)),
    "histogram": Target(check=_histogram, seeds=_histograms()),
}  # fmt: skip
"""Everything that reads what others wrote, by name."""
