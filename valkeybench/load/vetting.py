"""Asks the server, before a load, whether it knows the commands as they will be sent."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import redis

from valkeybench.errors import Problem, ScenarioError
from valkeybench.load.keyspace import open_client
from valkeybench.scenario.commands import APART
from valkeybench.scenario.template import parse_template, slot_conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.scenario.model import Scenario
    from valkeybench.scenario.template import Command
    from valkeybench.server.endpoint import Endpoint

    Entry = Sequence[Any] | None
    """What COMMAND INFO says of one command; None is that there is no such command."""

_ARITY, _FLAGS, _FIRST_KEY, _LAST_KEY, _KEY_STEP = range(1, 6)
"""Where things are in an entry."""


def check_commands(endpoint: Endpoint, scenario: Scenario, facts: ServerFacts) -> None:
    """See whether the server can be sent what the scenario says.

    Raises ScenarioError with all that is wrong. A server that does not let us ask, or has
    gone, is none of its business.
    """
    templates = [parse_template(text) for text in scenario.commands]
    problems = []
    conflict = slot_conflict(templates) if facts.mode == "cluster" else ""
    if conflict:
        remedy = "give them a common hash tag, like {{user}}:{0..99}"
        problems.append(Problem("commands", conflict, remedy))
    commands = dict.fromkeys(command for template in templates for command in template.distinct)
    client = open_client(endpoint)
    client.set_response_callback("COMMAND", _as_it_is)
    try:
        problems += _problems(client, list(commands))
    except redis.RedisError:  # not permitted, or no such command: then the load itself will tell
        pass
    finally:
        client.close()
    if problems:
        raise ScenarioError(problems)


def _problems(client: redis.Redis, commands: Sequence[Command]) -> list[Problem]:
    names = [command.name for command in commands]
    entries = client.execute_command("COMMAND", "INFO", *names)
    if not _is_understood(entries, len(names)):
        return []
    found = []
    for command, entry in zip(commands, entries, strict=True):
        if entry is None:
            remedy = _nearest(command.name, client.execute_command("COMMAND"))
            found.append(Problem("commands", f"the server has no command {command.name}", remedy))
            continue
        reason, remedy = _misfit(command, entry)
        if reason:
            found.append(Problem("commands", reason, remedy))
    return list(dict.fromkeys(found))


def _is_understood(entries: Any, count: int) -> bool:
    """Whether this is what COMMAND INFO says of so many commands; a proxy may say anything."""
    return (
        isinstance(entries, list)
        and len(entries) == count
        and all(entry is None or _is_entry(entry) for entry in entries)
    )


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) <= _KEY_STEP:
        return False
    numbers = (entry[index] for index in (_ARITY, _FIRST_KEY, _LAST_KEY, _KEY_STEP))
    return all(isinstance(number, int) for number in numbers) and not isinstance(
        entry[_FLAGS], str | bytes | int
    )


def _misfit(command: Command, entry: Sequence[Any]) -> tuple[str, str]:
    """Say what the server has against a command, and what to do; empty when nothing."""
    name, count, arity = command.name, len(command.words), entry[_ARITY]
    flags = {_text(flag) for flag in entry[_FLAGS]}
    if "blocking" in flags:
        return f"{name} waits on the server and keeps its connection meanwhile", APART
    if "pubsub" in flags:
        return f"{name} keeps its connection for listening", APART
    if count < abs(arity) or (arity > 0 and count != arity):
        least = "" if arity > 0 else "at least "
        words = f"{least}{abs(arity)} word" + ("s" if abs(arity) > 1 else "")
        return f"{name} takes {words}, its name among them, and has {count}", "see its reference"
    if _key_words(entry, count) != command.key_words:
        return (
            f"{name} names keys in places that cannot be kept under our own prefix",
            "use a command whose first word, or every word, is a key",
        )
    return "", ""


def _key_words(entry: Sequence[Any], count: int) -> tuple[int, ...]:
    """Say which of so many words are keys, as the server sees it."""
    first, last, step = (int(entry[index]) for index in (_FIRST_KEY, _LAST_KEY, _KEY_STEP))
    if not first:
        return ()
    return tuple(range(first, (last if last >= 0 else count + last) + 1, max(step, 1)))


def _nearest(name: str, entries: Iterable[Sequence[Any]]) -> str:
    known = [_text(entry[0]).upper() for entry in entries]
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "check its name, and the server's version"


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word


def _as_it_is(reply: Any, **_: Any) -> Any:
    """Stand for redis-py's own reading of COMMAND, which stumbles over unknown commands."""
    return reply
