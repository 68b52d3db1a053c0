"""A command template says which keys it can touch, and touches no others."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.scenario.template import MOST_KEYS, parse_template

PREFIX = "p:"

numbers = st.integers(0, 30)
ranges = st.tuples(numbers, numbers).map(sorted).map(lambda ends: f"{{{ends[0]}..{ends[1]}}}")
fixed = st.from_regex(r"[a-z:.%$-]{1,4}", fullmatch=True)
keys = st.lists(ranges | fixed, min_size=1, max_size=2).map("".join)
"""Names of keys, most with ranges; what has a meaning to str.format or % included."""


def seeded(seed: int) -> Random:
    """Make a source of draws that can be repeated."""
    return Random(seed)  # noqa: S311 - a load, no cryptography


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Draw commands with one key, several, or none, and other words after it."""
    name = draw(st.sampled_from(["GET", "set", "MGET", "del", "INCR", "PING", "EXISTS", "HGET"]))
    words = draw(st.lists(keys, max_size=3))
    value = ["{value}"] if name.upper() in {"SET", "HGET"} and len(words) > 1 else []
    weight = draw(st.sampled_from(["", " @3", " @0.5 "]))
    return " ".join([name, *words, *value]) + weight


@given(templates(), st.integers())
@settings(deadline=None)
def test_every_key_that_is_drawn_was_named(text: str, seed: int) -> None:
    """What a command touches is among the keys it names, all of them under the prefix."""
    template = parse_template(text)
    named = set(template.keys(PREFIX))
    source = seeded(seed)
    for _ in range(20):
        drawn = template.render(source, prefix=PREFIX, value="v")
        assert {drawn[index] for index in template.key_words} <= named
        assert all(drawn[index].startswith(PREFIX) for index in template.key_words)


@given(templates())
@settings(deadline=None)
def test_keys_are_counted_as_they_are_named(text: str) -> None:
    """Counting without naming gives the same."""
    template = parse_template(text)
    assert len(list(template.keys(PREFIX))) == template.key_count()


def test_a_template_is_taken_apart() -> None:
    """Name, words in quotes, weight, and which words are keys."""
    template = parse_template("set 'a key:{0..2}' {value} EX 10 @2.5")

    assert ("set", "a key:{0..2}", "{value}", "EX", "10") == template.words
    assert ("SET", 2.5, (1,), False) == (
        template.name,
        template.weight,
        template.key_words,
        template.reads,
    )
    assert ["p:a key:0", "p:a key:1", "p:a key:2"] == list(template.keys(PREFIX))
    drawn = template.render(seeded(1), prefix=PREFIX, value="vvv")
    assert ("set", "vvv", "EX", "10") == (drawn[0], *drawn[2:])
    assert drawn[1] in {"p:a key:0", "p:a key:1", "p:a key:2"}


def test_every_number_of_a_range_is_drawn() -> None:
    """Both ends belong to a range, and each number is as likely as another."""
    template = parse_template("GET k:{7..9}")
    draw = seeded(1)
    drawn = [template.render(draw, prefix="", value="")[1] for _ in range(3000)]

    assert {"k:7", "k:8", "k:9"} == set(drawn)
    # Six standard deviations of a count with p = 1/3.
    assert all(abs(drawn.count(key) - 1000) < 6 * 26 for key in set(drawn))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PING", ()),
        ("ECHO hello", ()),
        ("CLIENT ID", ()),
        ("client info", ()),
        ("GET", ()),
        ("GET k", (1,)),
        ("SET k v", (1,)),
        ("MGET a b c", (1, 2, 3)),
        ("EXISTS a b", (1, 2)),
        ("JSON.SET k $ 1", (1,)),
        ("UNHEARD-OF k", (1,)),
    ],
)
def test_the_words_that_are_keys(text: str, expected: tuple[int, ...]) -> None:
    """The first word after the name is a key unless the command is known to be otherwise."""
    assert expected == parse_template(text).key_words


@pytest.mark.parametrize(
    ("text", "reads"),
    [("GET k", True), ("MGET a b", True), ("exists k", True), ("SET k v", False), ("PING", False)],
)
def test_commands_that_expect_a_value_say_so(text: str, reads: bool) -> None:
    """Their keys are loaded before the load, so that they find something."""
    assert reads is parse_template(text).reads


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no command in it"),
        (" @3", "there is no command in it"),
        ("GET 'k", "its quotes do not match"),
        ("GET k @0", "its weight is 0"),
        ("GET k @" + "9" * 400, "its weight is more than"),
        ("GET {x}", "{x} is no placeholder"),
        ("GET k:{5}", "{5} is no placeholder"),
        ("GET k:{9..1}", "counts backwards"),
        ("GET k:{-1..1}", "is no placeholder"),
        ("GET {x{0..9}", "{ is no placeholder"),
        ("GET k}", "} is no placeholder"),
        ("GET k:{0.." + "9" * 19 + "}", "is no placeholder"),
        ("GET k:{value}", "{value} stands in a key"),
        ("MGET k {value}", "{value} stands in a key"),
        ("GET k:{0..1000000}", "it names 1,000,001 keys; 1,000,000 is the most"),
        ("GET k:{0..999}:{0..999999999999}", "1,000,000 is the most"),
        ("MGET k:{1..600000} l:{1..600000}", "it names 1,200,000 keys"),
        ("BLPOP k 0", "BLPOP keeps or changes its connection"),
        ("select 1", "SELECT keeps or changes its connection"),
        ("SUBSCRIBE c", "SUBSCRIBE keeps"),
        ("ASKING", "ASKING keeps"),
        ("FLUSHALL", "FLUSHALL acts on the whole server"),
        ("'FLUSHALL'", "FLUSHALL acts on the whole server"),
        ("config set maxmemory 1", "CONFIG acts"),
        ("SCRIPT FLUSH", "SCRIPT acts"),
        ("CLIENT KILL TYPE normal", "of CLIENT only GETNAME, "),
        ("CLIENT PAUSE 1000", "of CLIENT only GETNAME, "),
        ("CLIENT", "of CLIENT only GETNAME, "),
        ("CLIENT {0..1}", "of CLIENT only GETNAME, "),
        ("MSET a 1 b 2", "MSET names keys in places"),
        ("EVAL 'return 1' 0", "EVAL names keys in places"),
        ("GEORADIUS k 0 0 1 m STORE other", "GEORADIUS names keys in places"),
        # redis-py splits the first word at blanks, so these would be another command.
        ("'CONFIG SET' maxmemory 1", "its first word is no name of a command"),
        ("'SET other' k v", "its first word is no name of a command"),
        ("'' k", "its first word is no name of a command"),
        ("GE{0..1}T k", "its first word is no name of a command"),
        ("{value} k", "its first word is no name of a command"),
    ],
)
def test_what_must_not_be_sent_is_refused(text: str, reason: str) -> None:
    """Nonsense, what a shared connection cannot bear, and what reaches beyond our own keys."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_template(text)
    assert reason in str(caught.value)


def test_the_most_keys_are_allowed() -> None:
    """The limit itself is fine; ranges in words that are no keys do not count."""
    assert MOST_KEYS == parse_template("GET k:{1..1000000}").key_count()
    assert 1 == parse_template("SET k {0..999999999999}").key_count()


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z]{1,6} [a-z0-9{}.@' ]{0,20}", fullmatch=True))
@settings(deadline=None, max_examples=500)
def test_any_text_is_a_template_or_refused(text: str) -> None:
    """Whatever is typed ends in a template that can be drawn, or in a sentence for the user."""
    try:
        template = parse_template(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - any sentence will do
        return
    first = next(template.keys(PREFIX), PREFIX)
    drawn = template.render(seeded(1), prefix=PREFIX, value="v")
    assert first.startswith(PREFIX)
    assert len(template.words) == len(drawn)
    assert "{" not in "".join(drawn)
