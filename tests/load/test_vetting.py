"""A server is asked before a load whether it knows the commands as they will be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.load.fakes import Answer, fake_server, usual
from tests.server.started import started
from valkeybench.errors import ScenarioError
from valkeybench.load.vetting import check_commands
from valkeybench.measurement.reading import ServerFacts
from valkeybench.scenario import commands as known
from valkeybench.scenario.model import Scenario

if TYPE_CHECKING:
    from tests.load.loads import AnyClient
    from valkeybench.server.endpoint import Endpoint

STANDALONE = ServerFacts(mode="standalone")


def problems(endpoint: Endpoint, *texts: str, facts: ServerFacts = STANDALONE) -> list[str]:
    """Give what the server has against these commands."""
    try:
        check_commands(endpoint, Scenario(commands=texts), facts)
    except ScenarioError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "text",
    [
        "GET key:{0..9}",
        "SET k {value} EX 10",
        "MGET a b c",
        "PING",
        "CLIENT ID",
        "DEL a b",
        "HGETALL h",
        "XADD s * f v",
        "MULTI INCR a ; EXPIRE a 10",
        "GEOADD g 1 2 m",
        "PFADD h a",
    ],
)
def test_ordinary_commands_pass(embedded: Endpoint, text: str) -> None:
    """What the server knows, with as many words as it takes and keys where we think they are."""
    assert [] == problems(embedded, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("GETT k", "the server has no command GETT; did you mean GET?"),
        ("ZZQQXX k", "the server has no command ZZQQXX; check its name, and the server's version"),
        ("MULTI INCR a ; EXPIER a 10", "the server has no command EXPIER; did you mean EXPIRE?"),
        ("GET", "GET takes 2 words, its name among them, and has 1; see its reference"),
        ("GET a b", "GET takes 2 words, its name among them, and has 3; see its reference"),
        ("SET k", "SET takes at least 3 words, its name among them, and has 2; see its reference"),
        ("BITFIELD k", ""),
    ],
)
def test_what_the_server_does_not_know_is_told(embedded: Endpoint, text: str, problem: str) -> None:
    """Unknown names with the nearest one, and too few or too many words."""
    expected = [f"commands: {problem}"] if problem else []
    assert expected == problems(embedded, text)


def test_all_problems_are_told_at_once_and_each_once(embedded: Endpoint) -> None:
    """As in a scenario file."""
    texts = ("GETT k", "PIPELINE 3 GETT k ; GET", "SETT k v")
    assert 3 == len(problems(embedded, *texts))


def test_our_tables_agree_with_the_server(server: AnyClient) -> None:
    """Whatever the server calls blocking or listening, and of which we know it, is refused by us.

    And every command in our tables of reads and writes is one of its own, keyed as we think.
    """
    listed = server.command()
    for name, entry in listed.items():
        flags = set(entry["flags"])
        if {"blocking", "pubsub"} & flags and name not in ("publish", "spublish"):
            with pytest.raises(ValueError, match=name.upper()):
                known.check_command(name.upper(), [name, "BLOCK"])
    for name in (*known.READS, *known.WRITES):
        entry = listed[name.lower()]
        assert 1 == entry["first_key_pos"]
        many = len(known.key_words(name, 3)) == 2
        assert (-1 if many else 1) == entry["last_key_pos"]


def test_keys_in_other_places_are_refused_for_commands_we_do_not_know(embedded: Endpoint) -> None:
    """By what the server says of them: here of one that is taken out of our tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "_KEYS_ELSEWHERE", frozenset())
        patch.setattr(known, "_WAITS", frozenset())
        patch.setattr(known, "_LISTENS", frozenset())
        for text in ("MSET a 1 b 2", "SINTERCARD 2 a b", "COPY a b", "PUBLISH a b", "BLPOP a 1"):
            (problem,) = problems(embedded, text)
            assert f"commands: {text.split()[0]} " in problem


def test_in_a_cluster_keys_must_share_a_slot(embedded: Endpoint) -> None:
    """Told with a remedy before anything is sent; elsewhere they need not."""
    text = "MULTI INCR a ; INCR b"
    facts = ServerFacts(mode="cluster")
    (problem,) = problems(embedded, text, facts=facts)
    assert (
        "commands: the keys of its MULTI are not all in one slot of the cluster; "
        "give them a common hash tag, like {{user}}:{0..99}"
    ) == problem
    assert [] == problems(embedded, text)
    assert [] == problems(embedded, "MULTI INCR {{t}}:a ; INCR {{t}}:b", facts=facts)


def test_a_command_nobody_knows_is_not_sent_where_the_server_may_not_be_asked() -> None:
    """It might name keys of others; what we know ourselves is sent all the same."""
    denied = Answer(reply=b"-NOPERM this user has no permissions to run the 'command' command\r\n")

    def script(words: tuple[str, ...], number: int) -> Answer:
        return denied if words[0] == "COMMAND" else usual(words, number)

    with fake_server(script) as server:
        (problem,) = problems(server.endpoint, "GET a", "PFADD h a", "EXPIRE a 1", "FT.SEARCH a b")
        assert 1 == server.count(lambda words: words[:2] == ("COMMAND", "INFO"))
    assert (
        "commands: which keys FT.SEARCH names is not known, and the server may not be asked; "
        "permit COMMAND, or use another command"
    ) == problem


def test_a_command_by_another_name_is_what_it_was() -> None:
    """A server may have renamed FLUSHALL; it acts on all keys still."""
    with started("rename-command FLUSHALL WIPE") as endpoint:
        found = problems(endpoint, "WIPE", "GET a")
    assert [
        "commands: WIPE acts on the whole server, not on keys of our own; leave it out"
    ] == found
