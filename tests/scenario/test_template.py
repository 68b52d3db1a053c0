"""A template says what is sent together, how often, and which keys it can touch."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from valkeybench.scenario.commands import Holds
from valkeybench.scenario.template import (
    MOST_TOGETHER,
    Together,
    parse_template,
    slot_conflict,
    split,
    type_conflict,
)
from valkeybench.scenario.word import MOST_KEYS, TemplateError

if TYPE_CHECKING:
    from valkeybench.scenario.template import Command


def only(text: str) -> Command:
    """Give the command of a template that has one."""
    (command,) = parse_template(text).commands
    return command


def refusal(text: str) -> TemplateError:
    """Give the error a template ends in."""
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    return caught.value


def test_a_template_is_taken_apart() -> None:
    """Name, words in quotes, weight, and which words are keys."""
    template = parse_template("set 'a key:{0..2}' {value} EX 10 @2.5")
    command = template.commands[0]

    assert ["set", "a key:{0..2}", "{value}", "EX", "10"] == [str(word) for word in command.words]
    assert (2.5, None, 1) == (template.weight, template.together, len(template.commands))
    assert ("SET", (1,), False) == (command.name, command.key_words, command.reads)
    assert ["a key:0", "a key:1", "a key:2"] == list(command.keys[0].all())


def test_a_batch_is_taken_apart() -> None:
    """Its kind, its commands in order, a number before one repeats it, and one weight for all."""
    template = parse_template("pipeline 3 GET a:{0..9} ; SET b {value};PING @0.5")

    assert Together.PIPELINE is template.together
    assert ["GET", "GET", "GET", "SET", "PING"] == [one.name for one in template.commands]
    assert ["GET", "SET", "PING"] == [one.name for one in template.distinct]
    assert 0.5 == template.weight
    assert Together.MULTI is parse_template("MULTI GET a").together
    assert MOST_TOGETHER == len(parse_template(f"MULTI {MOST_TOGETHER} GET a").commands)


def test_a_batch_may_span_lines() -> None:
    """Line ends are blanks, so that a scenario file can write one command a line."""
    template = parse_template("\nMULTI\n  INCR a ;\n  INCR a\n@3\n")
    assert (2, 3.0) == (len(template.commands), template.weight)


@given(st.text("ab;@ 12'\"\\{}\t\né", max_size=25))
@settings(deadline=None, max_examples=1000)
def test_words_are_split_as_a_shell_would(text: str) -> None:
    """Word by word what Python's shlex gives, where there is no bare semicolon."""
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(TemplateError):
            list(split(text))
        return
    tokens = list(split(text))
    assume(not any(token.separates for token in tokens))
    assert expected == [token.text for token in tokens]


@pytest.mark.parametrize("quoted", ["'a;b'", '"a;b"', "a\\;b"])
def test_a_semicolon_that_is_meant_is_put_in_quotes(quoted: str) -> None:
    """Bare it separates, in quotes it is text, whether it stands alone or not."""
    assert "a;b" == str(only(f"SET k {quoted}").words[2])
    assert 2 == len(parse_template(f"PIPELINE SET k {quoted} ; GET k").commands)
    assert ";" == str(only("SET k ';'").words[2])


@pytest.mark.parametrize("quoted", ["'@3'", '"@3"', "\\@3", "x@3", "@3 x"])
def test_an_at_that_is_meant_is_put_in_quotes(quoted: str) -> None:
    """Only a bare last word that begins with it is a weight."""
    assert 1.0 == parse_template(f"SET k {quoted}").weight


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
    assert expected == only(text).key_words


@pytest.mark.parametrize(
    ("text", "reads", "holds", "items"),
    [
        ("GET k", True, Holds.STRING, ()),
        ("MGET a b", True, Holds.STRING, ()),
        ("exists k", True, None, ()),
        ("SET k v", False, Holds.STRING, ()),
        ("HGET k f:{0..9} x", True, Holds.HASH, ("f:{0..9}",)),
        ("HMGET k a b", True, Holds.HASH, ("a", "b")),
        ("HGETALL k", True, Holds.HASH, ()),
        ("LRANGE k 0 9", True, Holds.LIST, ()),
        ("SISMEMBER k m", True, Holds.SET, ("m",)),
        ("ZRANGE k 0 9", True, Holds.SORTED_SET, ()),
        ("XRANGE k - +", True, Holds.STREAM, ()),
        ("LPUSH k v", False, Holds.LIST, ()),
        ("PING", False, None, ()),
        ("UNHEARD-OF k", False, None, ()),
    ],
)
def test_commands_say_what_they_expect(
    text: str, *, reads: bool, holds: Holds | None, items: tuple[str, ...]
) -> None:
    """Whether there should be something, of what type, and which items are read by name."""
    command = only(text)
    assert (reads, holds) == (command.reads, command.holds)
    assert items == tuple(str(word) for word in command.items)


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("", "there is no command in it", ""),
        (" @3", "there is no command in it", ""),
        ("GET 'k", "its quotes do not match (character 5)", "close the '"),
        ('GET a"b', "its quotes do not match (character 6)", 'close the "'),
        ("GET k\\", "it ends in a backslash", "write \\\\"),
        ("GET k @0", "its weight is 0, so it would never be sent (character 7)", ""),
        ("GET k @-1", "is no weight (character 7)", "write @3 or @0.5"),
        ("GET k @3x", "is no weight", "put the word in quotes"),
        ("GET k @" + "9" * 400, "its weight is more than", ""),
        ("GET key {x}", "{x} is no placeholder (character 9)", "there are"),
        ("SET k {zipf:9..0}", "counts backwards (character 7)", "smaller"),
        ("GET k:{value}", "{value} stands in a key", "number keys instead"),
        ("MGET k {value}", "{value} stands in a key", "number keys instead"),
        ("HGET k {value}", "{value} stands in the name of an item", "number items"),
        ("GET k:{0..1000000}", "it names 1,000,001 keys; 1,000,000 is the most", ""),
        ("GET k:{0..999}:{0..999999999999}", "1,000,000 is the most", ""),
        ("MGET k:{1..600000} l:{1..600000}", "it names 1,200,000 keys", ""),
        ("HGET k:{0..9999} f:{0..999}", "it reads 10,000,000 items", ""),
        # What keeps its connection.
        ("BLPOP k 0", "BLPOP waits on the server", "connections of their own"),
        ("wait 1 0", "WAIT waits on the server", "connections of their own"),
        ("XREAD COUNT 2 BLOCK 0 STREAMS k 0", "XREAD waits on the server", "of their own"),
        ("XREAD STREAMS k 0", "XREAD names keys in places", ""),
        ("SUBSCRIBE c", "SUBSCRIBE keeps its connection for listening", "of their own"),
        ("MONITOR", "MONITOR keeps its connection", "of their own"),
        ("select 1", "SELECT changes its connection", "--db"),
        ("ASKING", "ASKING changes its connection", ""),
        ("WATCH k", "WATCH needs one connection", "MULTI INCR a ; INCR b"),
        ("EXEC", "EXEC needs one connection", "its EXEC is sent for you"),
        ("MULTI GET a ; BLPOP k 0", "BLPOP waits on the server", "of their own"),
        # What reaches beyond our own keys.
        ("FLUSHALL", "FLUSHALL acts on the whole server", ""),
        ("'FLUSHALL'", "FLUSHALL acts on the whole server", ""),
        ("config set maxmemory 1", "CONFIG acts", ""),
        ("SCRIPT FLUSH", "SCRIPT acts", ""),
        ("CLIENT KILL TYPE normal", "of CLIENT only GETNAME, ", ""),
        ("CLIENT PAUSE 1000", "of CLIENT only GETNAME, ", ""),
        ("CLIENT", "of CLIENT only GETNAME, ", ""),
        ("CLIENT {0..1}", "of CLIENT only GETNAME, ", ""),
        ("MSET a 1 b 2", "MSET names keys in places", ""),
        ("EVAL 'return 1' 0", "EVAL names keys in places", ""),
        ("GEORADIUS k 0 0 1 m STORE other", "GEORADIUS names keys in places", ""),
        # redis-py splits the first word at blanks, so these would be another command.
        ("'CONFIG SET' maxmemory 1", "its first word is no name of a command (character 2)", ""),
        ("'SET other' k v", "its first word is no name of a command", ""),
        ("'' k", "its first word is no name of a command", ""),
        ("GE{0..1}T k", "its first word is no name of a command", ""),
        ("{value} k", "its first word is no name of a command", ""),
        # Batches.
        ("GET a ; GET b", "there is a ; and no batch (character 7)", "begin with PIPELINE or"),
        ("PIPLINE GET a;GET b", "there is a ; and no batch", "did you mean PIPELINE or MULTI?"),
        ("10 GET a", "its first word is no name of a command", ""),
        ("MULTI", "there is no command in its MULTI", "'MULTI GET a ; GET b'"),
        ("PIPELINE 5", "there is no command in its PIPELINE", "write its commands after it"),
        ("PIPELINE GET a ;", "there is no command on one side of a ;", "drop the ;"),
        ("PIPELINE ; GET a", "there is no command on one side of a ;", "drop the ;"),
        ("PIPELINE 0 GET a", "0 is no number of repeats (character 10)", "use 1 to 1000"),
        ("PIPELINE 1001 GET a", "1001 is no number of repeats", "use 1 to 1000"),
        ("PIPELINE 600 GET a ; 600 GET b", "it has more than 1000 commands in one batch", ""),
        ("MULTI PIPELINE GET a", "there is a PIPELINE within a MULTI", "one batch holds no other"),
        ("PIPELINE GET a ; MULTI", "there is a MULTI within a PIPELINE", ""),
    ],
)
def test_what_must_not_be_sent_is_refused(text: str, reason: str, remedy: str) -> None:
    """Nonsense, what a shared connection cannot bear, and what reaches beyond our own keys."""
    error = refusal(text)
    assert reason in error.reason
    assert remedy in error.remedy


def test_the_most_keys_are_allowed() -> None:
    """The limit itself is fine; ranges in words that are no keys do not count, nor do repeats."""
    assert MOST_KEYS == only("GET k:{1..1000000}").keys[0].count
    assert 1 == only("SET k {0..999999999999}").keys[0].count
    assert 10 == len(parse_template("PIPELINE 10 GET k:{1..1000000}").commands)


@given(
    st.text(max_size=40)
    | st.from_regex(r"(MULTI |PIPELINE )?[A-Za-z]{1,6} [a-z0-9{}.@;:' ]{0,20}", fullmatch=True)
)
@settings(deadline=None, max_examples=1000)
def test_any_text_is_a_template_or_refused(text: str) -> None:
    """Whatever is typed ends in a template, or in a sentence for the user."""
    try:
        template = parse_template(text)
    except TemplateError as error:
        assert error.reason  # noqa: PT017 - any sentence will do
        return
    assert template.commands
    assert (template.together is not None) or len(template.commands) == 1
    for command in template.commands:
        assert all(key.count <= MOST_KEYS for key in command.keys)


@pytest.mark.parametrize(
    ("texts", "conflict"),
    [
        (("GET k", "SET k v"), ""),
        (("GET k", "HGET h f"), ""),
        (("GET k", "EXISTS k", "DEL k"), ""),
        (("GET k:{0..9}", "GET k:{zipf:0..9}"), ""),
        (("GET k", "HGET k f"), "GET takes k for a string, HGET for a hash"),
        (("LPUSH k v", "EXISTS k", "SMEMBERS k"), "LPUSH takes k for a list, SMEMBERS for a set"),
        (
            ("PIPELINE GET k:{seq:0..9} ; ZCARD k:{0..9}",),
            "GET takes k:{0..9} for a string, ZCARD for a sorted set",
        ),
    ],
)
def test_a_key_holds_one_thing(texts: tuple[str, ...], conflict: str) -> None:
    """Commands that take the same key for two types would only ever fail."""
    assert conflict == type_conflict(map(parse_template, texts))


@pytest.mark.parametrize(
    ("text", "in_one_slot"),
    [
        ("GET k:{0..9}", True),
        ("MGET a b", False),
        ("MGET {{t}}:a {{t}}:{0..9}", True),
        ("MGET {{t}}:a {{u}}:a", False),
        ("MGET a a", True),
        ("PIPELINE GET a ; GET b", True),
        ("PIPELINE GET a ; MGET b c", False),
        ("MULTI GET a ; GET b", False),
        ("MULTI GET a ; SET a v", True),
        ("MULTI GET {{t}}:a ; SET {{t}}:{0..9} v ; PING", True),
        ("MULTI GET k:{0..9}", True),
        ("MULTI GET k:{0..9} ; GET k:{0..9}", False),
        ("MULTI 2 GET k:{0..9}", False),
        ("MULTI 2 GET k", True),
        ("MULTI GET u:{{{0..9}}}:a ; GET u:{{{0..9}}}:b", False),
        ("PING", True),
    ],
)
def test_a_transaction_is_for_one_slot(text: str, *, in_one_slot: bool) -> None:
    """Sure by its words: a common tag in which nothing is drawn, one and the same key, or only one.

    What is said to be in one slot is in one by redis-py's reckoning too.
    """
    template = parse_template(text)
    assert in_one_slot is (slot_conflict([template]) == "")
    keys = [key for command in template.commands for key in command.keys]
    if in_one_slot and template.together is Together.MULTI and len(keys) > 1:
        assert 1 == len({key_slot(name.encode()) for key in keys for name in key.all()})
