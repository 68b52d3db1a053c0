"""What people type and write in files is read, or refused with one of our messages; never more.

Texts come from the grammar of what is read, with mistakes in it, and from nowhere at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import words
from tests.fuzz.effort import effort
from tests.fuzz.targets import INFO
from tests.measurement.looks import REDIS_6, VALKEY_9
from tests.scenario.reading import problems
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.metric import PHASES, STATS, TOTALS
from valkeybench.measurement.reading import MOST, parse_info, reading_from_info
from valkeybench.scenario.fields import FIELDS, FLAGGED
from valkeybench.scenario.fleet import FLEET_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.scenario.field import Field

SIGNS = st.sampled_from(" .,:;/@%#[]{}()<>=\"'\\\n\t-+_*$?&0123456789eExs\u0660é\x00\x1b\u202f")
ODD_WORDS = st.one_of(
    st.text(max_size=12),
    st.text(SIGNS, max_size=12),
    st.sampled_from(["", "nan", "inf", "-1", "1e999", "9" * 50, "0x10", "1_0", "none", "both"]),
)


def written(value: object) -> str:
    """Write a value as TOML does; nearly the way JSON does."""
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if value is not None else "nan"


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Give values a lever can have, by its published schema, and some it cannot."""
    schema = field.kind.schema
    fit = [*schema.get("enum", ()), *schema.get("examples", ()), schema.get("minimum", 1), True]
    one = st.one_of(st.sampled_from(fit), st.sampled_from(fit), st.integers(-2, 20), ODD_WORDS)
    return st.one_of(one, one, st.lists(one, max_size=3)) if field.axis or field.many else one


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """Write a scenario file that is nearly right."""
    by_section: dict[str, list[str]] = {}
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique_by=id)):
        key = draw(st.sampled_from([field.key] * 9 + [f"{field.key}s", f'"{field.key}"', "a.b"]))
        line = f"{key} = {written(draw(values_of(field)))}"
        by_section.setdefault(field.section, []).append(line)
    parts = ["\n".join(by_section.pop("", []))]
    parts += [f"[{name}]\n" + "\n".join(lines) for name, lines in by_section.items()]
    return spoilt(draw, "\n".join(parts))


def spoilt(draw: st.DrawFn, text: str) -> str:
    """Now and then cut something out of a text, or put something in."""
    if draw(st.integers(0, 3)):
        return text
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(ODD_WORDS) + text[at + draw(st.integers(0, 5)) :]


@st.composite
def from_pieces(draw: st.DrawFn, *pieces: st.SearchStrategy[str]) -> str:
    """Write pieces one after another, and spoil the whole now and then."""
    return spoilt(draw, "".join(draw(piece) for piece in pieces))


def lines(fields: tuple[Field, ...]) -> st.SearchStrategy[str]:
    """Write some flags, a line for each."""
    one = st.sampled_from(fields).flatmap(
        lambda field: values_of(field).map(lambda value: f"{field.parameter}={plain(value)}")
    )
    return st.lists(one, max_size=4).map("\n".join)


def plain(value: object) -> str:
    """Write a value as a word of a command line."""
    return ",".join(map(plain, value)) if isinstance(value, list) else str(value)


MAYBE_BLANK = st.sampled_from(["", "", " ", "  ", "\u202f"])
METRICS = st.one_of(
    st.builds("{}.{}".format, st.sampled_from(PHASES), st.sampled_from([*STATS, "p99.9", "p98"])),
    st.sampled_from(TOTALS),
)
PICKS = st.sampled_from(["", "", "", "[pool=none]", "[tls=on,max_conn=5]", "[pool=x]", "[]", "["])
AMOUNTS = st.builds(
    "{}{}".format,
    st.one_of(st.integers(0, 10**6), st.decimals(0, 1000, places=4), st.floats(0, 1e9)),
    st.sampled_from(["", "ms", "us", "ns", "s", "h", "/s", "k/s", "/min", "%", "x"]),
)
OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
LIMITS = st.one_of(
    from_pieces(METRICS, PICKS, MAYBE_BLANK, OPERATORS, MAYBE_BLANK, AMOUNTS),
    from_pieces(METRICS, PICKS, st.just(" / "), METRICS, PICKS, OPERATORS, AMOUNTS),
)
SECRETS = st.builds("{}{}{}".format, ODD_WORDS, st.just(words.CANARY), ODD_WORDS)
URLS = from_pieces(
    st.sampled_from(["valkey", "valkeys", "redis", "rediss", "unix", "UNIX", "http", "unix:s", ""]),
    st.sampled_from(["://", "://", "://", ":/", ":", "//"]),
    st.sampled_from(["", "me", "m%65", "m@e", "%ff"]),
    st.one_of(
        SECRETS.map(lambda word: f":{quote(word, safe='', errors='replace')}@"),
        SECRETS.map(lambda word: f":{word}@"),
        st.just(""),
    ),
    st.sampled_from(["h", "127.0.0.1", "[::1]", "[fe80::1%25e}0]", "::1", "", "%68", "ü.example"]),
    st.sampled_from(["", ":1", ":0", ":99999", ":x", ":", ":1:2"]),
    st.sampled_from(["", "/0", "/2", "/x", "/run/x.sock", "//x", "?db=1", "?password=x", "#x"]),
)
COMMANDS = from_pieces(
    st.sampled_from(["", "", "PIPELINE 3 ", "MULTI ", "pipeline 0 ", "MULTI MULTI "]),
    st.sampled_from(["GET", "SET", "mget", "HMGET", "ZSCORE", "FLUSHALL", "CLIENT", "EVAL", "X.Y"]),
    st.sampled_from([" key:{0..99}", " 'a b'", " {value}", " {{t}}1", "", ' "x', " {seq:0..9}"]),
    st.sampled_from(
        [" {value}", " f:{zipf(1.2):0..9}", " {9..1}", " LIST", " \\;", " {zipf:0..0}"]
    ),
    st.sampled_from(["", " ; GET a", " ;", "; 2 INCR {0..9}", " @3", " @0", " @x", " '@1'"]),
)
QUANTITIES = st.one_of(
    from_pieces(MAYBE_BLANK, AMOUNTS, MAYBE_BLANK),
    st.builds("{}{}".format, AMOUNTS, st.sampled_from(["KiB", "MB", "kb", "GiB", "µs", "min"])),
)
INFOS = st.builds(
    lambda head, name, number: f"{INFO.decode()}{head}{name}:{number}\r\n",
    ODD_WORDS,
    st.sampled_from([
        *("connected_clients", "used_memory", "used_cpu_user_main_thread", "maxclients"),
        *("total_connections_received", "errorstat_X", "cmdstat_get", "process_id", "role"),
    ]),
    st.one_of(ODD_WORDS, st.integers(-(10**30), 10**30).map(str), st.floats().map(str)),
)  # fmt: skip
LISTINGS = st.lists(
    st.builds(
        lambda line, at, odd: line[:at] + odd + line[at + len(odd) :],
        st.sampled_from([VALKEY_9, REDIS_6]),
        st.integers(0, 300),
        ODD_WORDS,
    ),
    max_size=4,
).map("\n".join)
FLEETS = st.lists(
    st.one_of(st.just(""), AMOUNTS, ODD_WORDS, st.sampled_from(["1e9999999999%", "25%", "on"])),
    max_size=len(FLEET_FIELDS),
).map("\n".join)


@pytest.mark.parametrize(
    ("check", "texts"),
    [
        (words.toml, scenarios()),
        (words.flags, lines(FLAGGED)),
        (words.variables, st.builds("{}\n{}".format, URLS, SECRETS)),
        (words.limit, LIMITS),
        (words.comparison, st.builds("{}={}".format, METRICS, AMOUNTS)),
        (words.url, URLS),
        (words.command, COMMANDS),
        (words.quantity, QUANTITIES),
        (words.fleet, FLEETS),
        (words.client_list, LISTINGS),
        (words.info, INFOS),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
@effort(150)
@given(st.data())
def test_what_nearly_keeps_to_the_grammar_is_read_or_refused(
    check: Callable[[str], bool], texts: st.SearchStrategy[str], data: st.DataObject
) -> None:
    """Whatever is accepted means one thing, adds up, and shows no password."""
    check(data.draw(texts))


@pytest.mark.parametrize(
    "check",
    [words.toml, words.flags, words.limit, words.url, words.command, words.quantity, words.info],
)
@effort(30)
@given(st.one_of(st.text(), st.text(SIGNS), st.binary().map(lambda raw: raw.decode("latin-1"))))
@example("\x00")
@example("[" * 50_000)
@example("a." * 50_000 + "a=1")
@example("=" * 50_000)
@example("9" * 50_000)
def test_any_text_at_all_is_read_or_refused(check: Callable[[str], bool], text: str) -> None:
    """Deep nesting, endless numbers and signs of every kind included."""
    check(text)


def test_a_database_of_thousands_of_digits_is_none() -> None:
    """Python reads no number that long, and says so by an exception that is none of ours."""
    flags = {"url": f"valkey://h/{'9' * 5000}", "cluster": "true"}
    assert ["--url: a cluster has the database 0 only; leave the database out"] == problems(
        flags=flags
    )


def test_what_a_server_cannot_have_counted_was_not_reported() -> None:
    """Numbers below nothing and beyond all bounds are unknown, and no end of a run."""
    told = (
        f"connected_clients:-1\r\nused_memory:1e300\r\nevicted_keys:{MOST}\r\nused_cpu_user:-5\r\n"
    )
    reading = reading_from_info(parse_info(told + "used_cpu_sys:1\r\n"), 0)
    assert (None, None, MOST, None) == (
        reading.connected_clients, reading.used_memory, reading.evicted_keys, reading.cpu_ns,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("failed <= 0.01%", "failed <= 0.01%"),
        ("failed <= 0.1%", "failed <= 0.1 %"),
        ("response.p99 < 1234567ns", "response.p99 < 1234567ns"),
        ("response.p99 < 125s", "response.p99 < 125s"),
        ("response.p99<5ms", "response.p99 < 5.00 ms"),
        ("throughput > 12345.5/s", "throughput > 12345.5"),
        ("throughput > 12345/s", "throughput > 12\u202f345 /s"),
        ("fairness > 0.955", "fairness > 0.955"),
        ("tls.p50 / command.p50 < 1.2345", "tls.p50 / command.p50 < 1.2345x"),
    ],
)
def test_a_limit_is_shown_as_it_was_meant(text: str, shown: str) -> None:
    """Rounded where that loses nothing, in full where it would: 0.01 % is not 0.0 %."""
    (limit,) = parse_limits([text], place="--fail-if", across_cases=True)
    assert shown == str(limit)
