"""To a server that is not ours nothing is sent but what a run needs, and to no keys but its own.

The server itself is the witness: MONITOR shows every word sent to it, its statistics the
administrative commands that MONITOR leaves out, and its ACL log whatever was refused. The user
may do everything but flush, change settings or touch other keys.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.cli.commandline import files_in, kept_run, valkeybench
from tests.server.processes import client
from tests.server.started import started
from valkeybench.scenario.secret import Secret
from valkeybench.server.cluster import embedded_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

GUEST, WORD = "guest", "canary-5c1d"
RULES = (
    f"resetkeys resetchannels on >{WORD} +@all -flushall -flushdb -config|set -config|rewrite "
    "-config|resetstat -swapdb -shutdown -debug -replicaof -script -function -client|kill -keys "
    "-scan ~valkeybench:*"
)
TINY = ("--duration", "150ms", "--warmup", "50ms", "--think", "1ms", "-c", "4")
LOAD = ("--command", "GET k:{0..99}", "--command", "SET s:{0..9} {value}")
END = "the-end-of-it"

ON_KEYS = {"GET": 1, "SET": 1, "UNLINK": None}
"""The commands of the load, and of loading and removing keys: how many words of it are keys."""
QUESTIONS = {
    *("AUTH", "HELLO", "PING", "SELECT", "INFO", "COMMAND", "COMMAND INFO", "CONFIG GET"),
    *("CLIENT SETINFO", "CLIENT SETNAME", "CLIENT MAINT_NOTIFICATIONS"),
    *("CLIENT LIST", "CLIENT ID"),
    *("CLUSTER SLOTS", "CLUSTER INFO", "CLUSTER SHARDS", "READONLY", "ASKING"),
}
OF_CONTAINERS = {"CLIENT", "CONFIG", "COMMAND", "CLUSTER"}


@dataclass(slots=True)
class Witness:
    """What a server saw and heard."""

    sent: list[list[str]]
    counted: set[str]
    refused: list[object]


@contextmanager
def monitored(endpoint: Endpoint) -> Iterator[Witness]:
    """Write down everything others send to a server; statistics count from here on."""
    witness = Witness([], set(), [])
    assert endpoint.password is not None
    with closing(client(endpoint)) as admin:
        admin.acl_log_reset()
        admin.config_resetstat()
        with socket.create_connection((endpoint.host, endpoint.port)) as ear:
            ear.sendall(f"AUTH {endpoint.password.reveal()}\r\nMONITOR\r\n".encode())
            lines = ear.makefile("r", encoding="utf-8", newline="\n")
            assert ["+OK", "+OK"] == [lines.readline().strip() for _ in range(2)]
            hearing = threading.Thread(target=_hear, args=(lines, witness.sent))
            hearing.start()
            yield witness
            stats = admin.info("commandstats")
            admin.echo(END)
            hearing.join()
        witness.counted = {name.removeprefix("cmdstat_") for name in stats}
        witness.refused = list(admin.acl_log())


def _hear(lines: Iterator[str], sent: list[list[str]]) -> None:
    for line in lines:
        words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        if words[1:] == [END]:
            return
        sent.append(words)


def as_guest(endpoint: Endpoint) -> dict[str, str]:
    """Name the server and the restricted user, as its owner would."""
    return {
        "VALKEYBENCH_URL": endpoint.address.replace("//", f"//{GUEST}@"),
        "VALKEYBENCH_PASSWORD": WORD,
    }


def allow_guest(endpoint: Endpoint) -> None:
    """Make the restricted user."""
    with closing(client(endpoint)) as admin:
        send(admin, "ACL", "SETUSER", GUEST, *RULES.split())


def send(connected: Any, *words: str) -> None:  # noqa: ANN401 - redis-py leaves it untyped
    """Send a command as it is."""
    connected.execute_command(*words)


def name_of(words: Sequence[str]) -> str:
    """Name a command, with its subcommand."""
    name = words[0].upper()
    return f"{name} {words[1].upper()}" if name in OF_CONTAINERS and len(words) > 1 else name


def trespasses(witness: Witness) -> list[list[str]]:
    """Give what was sent that is neither a question nor about keys of a run."""
    found = []
    for words in witness.sent:
        name = name_of(words)
        if name in ON_KEYS:
            keys = words[1:] if ON_KEYS[name] is None else words[1 : 1 + (ON_KEYS[name] or 0)]
            if not keys or not all(re.match(r"valkeybench:[0-9a-f]{8}:", key) for key in keys):
                found.append(words)
        elif name not in QUESTIONS:
            found.append(words)
    return found


def assert_well_behaved(witness: Witness) -> None:
    """See that nothing was sent or tried that should not be, by all that the server knows."""
    assert [] == trespasses(witness)
    names = {name.replace("|", " ").upper() for name in witness.counted}
    witnessing = {"MONITOR", "CONFIG RESETSTAT", "ACL LOG", "INFO"}
    assert names <= QUESTIONS | set(ON_KEYS) | witnessing
    assert [] == witness.refused


@pytest.mark.parametrize(
    "words",
    [
        ("run", *TINY, "-m", "2", "--repeats", "1", "--driver", "threads,asyncio,wire"),
        ("size", *TINY, "--confidence", "quick"),
    ],
)
def test_only_what_is_needed_is_sent_and_only_our_own_keys_are_touched(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """By every driver, with and without a pool, and by a search; other keys stay."""
    with started() as endpoint, closing(client(endpoint)) as admin:
        allow_guest(endpoint)
        admin.set("theirs", "1")
        with monitored(endpoint) as witness:
            ended = valkeybench(tmp_path, *words, *LOAD, "-o", "run.json", **as_guest(endpoint))
        assert 0 == ended.code, ended.err
        assert [b"theirs"] == admin.keys("*")
    assert_well_behaved(witness)
    assert {"GET", "SET", "UNLINK"} <= {name_of(words) for words in witness.sent}
    summaries = [case.summary for case in kept_run(tmp_path / "run.json").cases if case.summary]
    assert summaries
    assert all(summary.completed and not summary.failures for summary in summaries)
    assert ["run.json"] == files_in(tmp_path)


def test_no_node_of_a_cluster_is_sent_more(tmp_path: Path) -> None:
    """The cluster client asks for the nodes as well, and that is all."""
    load = ("run", "--cluster", *TINY, "-m", "2", "--repeats", "1", "--pool", "blocking", *LOAD)
    with embedded_cluster() as nodes, ExitStack() as stack:
        for node in nodes:
            allow_guest(node.endpoint)
        witnesses = [stack.enter_context(monitored(node.endpoint)) for node in nodes]
        ended = valkeybench(tmp_path, *load, "-o", "run.json", **as_guest(nodes[0].endpoint))
        assert 0 == ended.code, ended.err
        stack.close()
    for witness in witnesses:
        assert_well_behaved(witness)
        assert {"GET", "UNLINK"} <= {name_of(words) for words in witness.sent}


def test_a_witness_sees_what_it_should() -> None:
    """Every way to misbehave is found by one witness or another."""
    with started() as endpoint:
        allow_guest(endpoint)
        with (
            monitored(endpoint) as witness,
            closing(client(replace(endpoint, username=GUEST, password=Secret(WORD)))) as guest,
        ):
            for words in (("FLUSHALL",), ("CONFIG", "SET", "timeout", "1"), ("GET", "theirs")):
                with pytest.raises(redis.ResponseError, match="permission"):
                    send(guest, *words)
            send(guest, "SET", "valkeybench:0123abcd:k", "1")
            with closing(client(endpoint)) as admin:
                admin.set("theirs", "1")
                admin.config_set("timeout", 0)
    assert [["SET", "theirs", "1"]] == trespasses(witness)
    assert "config|set" in witness.counted
    assert 3 == len(witness.refused)
