"""CLIENT LIST is read in every server's form, and whatever hostile clients call themselves."""

from __future__ import annotations

import pytest

from tests.measurement.looks import REDIS_6, REDIS_7, REDIS_8, VALKEY_8, VALKEY_9
from valkeybench.measurement.client_list import (
    LONGEST_NAME,
    ClientEntry,
    Role,
    read_client_list,
)


def read(*lines: str, most: int = 100) -> list[ClientEntry]:
    """Read the lines of a reply."""
    return list(read_client_list("".join(f"{line}\n" for line in lines), most=most))


@pytest.mark.parametrize(
    ("line", "address", "library", "commands", "traffic", "memory"),
    [
        (VALKEY_9, "127.0.0.1", "redis-py", 5, 2274, 1616),
        (VALKEY_8, "[::1]", "redis-py", 5, 1949, 1920),
        (REDIS_8, "127.0.0.1", "redis-py", 5, 2064, 1920),
        (REDIS_7, "127.0.0.1", "", None, None, 1800),
        (REDIS_6, "127.0.0.1", "", None, None, 17048),
    ],
    ids=["valkey 9", "valkey 8", "redis 8", "redis 7", "redis 6"],
)
def test_every_server_s_line_is_read(  # noqa: PLR0917, PLR0913 - what a line says
    line: str,
    address: str,
    library: str,
    commands: int | None,
    traffic: int | None,
    memory: int,
) -> None:
    """What a server does not tell is None, or empty."""
    (found,) = read(line)
    assert (3, "web", library, "default") == (found.id, found.name, found.library, found.user)
    assert (address, 7, 1, "get") == (found.address, found.age_s, found.idle_s, found.command)
    assert (commands, traffic, memory) == (found.commands, found.traffic, found.memory)
    assert (Role.ORDINARY, True) == (found.role, found.is_working)


@pytest.mark.parametrize(
    ("changed", "role"),
    [
        ("flags=O", Role.MONITOR),
        ("flags=S", Role.REPLICA),
        ("flags=M", Role.PRIMARY),
        ("flags=P", Role.SUBSCRIBER),
        ("flags=b", Role.BLOCKED),
        ("flags=bU", Role.BLOCKED),
        ("flags=x", Role.ORDINARY),
        ("flags=N psub=2", Role.SUBSCRIBER),
        ("flags=N ssub=1", Role.SUBSCRIBER),
    ],
)
def test_connections_that_are_no_idle_pool_are_told_apart(changed: str, role: Role) -> None:
    """By the server's flags, or by what they are subscribed to."""
    assert [role] == [found.role for found in read(f"id=3 {changed}")]


@pytest.mark.parametrize(
    "line",
    [
        "id=8 addr=/run/a b.sock:0 laddr=/run/a b.sock:0 flags=U",
        "id=8 addr=[/run/x.sock:0]:0 laddr=[/run/x.sock:0]:0 flags=U",
        "id=8 addr=/run/id=9 id=7.sock:0 flags=U",
    ],
)
def test_a_unix_socket_is_one_address(line: str) -> None:
    """Whatever its path, which may hold anything."""
    (found,) = read(line)
    assert (8, "unix socket") == (found.id, found.address)


@pytest.mark.parametrize(
    ("command", "working", "kept_alive"),
    [
        ("get", True, False),
        ("info", True, False),
        ("ping", False, True),
        ("client|setinfo", False, False),
        ("client", False, False),
        ("hello", False, False),
        ("select", False, False),
        ("cluster|slots", False, False),
        ("NULL", False, False),
    ],
)
def test_setting_up_and_keeping_alive_are_no_work(
    command: str,
    working: bool,
    kept_alive: bool,
) -> None:
    """By the last command; servers before 7 name no subcommand."""
    (found,) = read(f"id=1 cmd={command}")
    assert (working, kept_alive) == (found.is_working, found.is_kept_alive)


def test_what_is_no_line_is_left_out() -> None:
    """Garbage, an id that is no number, and nothing at all."""
    assert [] == read("", "garbage", "id=x", "id=-1", f"id={'9' * 21}", "name=x")
    assert [] == list(read_client_list("", most=5))
    assert [7] == [found.id for found in read_client_list("id=7 name=last", most=5)]


def test_no_more_than_asked_for_is_read() -> None:
    """Of a reply that is longer than the limit."""
    assert [0, 1] == [found.id for found in read(*(f"id={n}" for n in range(9)), most=2)]


def test_long_names_are_cut() -> None:
    """No client takes more memory than another by what it calls itself."""
    long = "x" * 10_000
    (found,) = read(
        f"id=1 lib-name={long[:200]} lib-ver={long[:200]} user={long[:200]} name={long}"
    )
    assert {LONGEST_NAME} == {
        len(each) for each in (found.name, found.library, found.version, found.user)
    }


def test_numbers_that_are_none_are_unknown() -> None:
    """A field that another kind of server fills otherwise does no harm."""
    (found,) = read("id=1 age=x idle= tot-cmds=٣ tot-mem=1e9 tot-net-in=1")
    assert (0, 0, None, None, None) == (
        found.age_s,
        found.idle_s,
        found.commands,
        found.memory,
        found.traffic,
    )
