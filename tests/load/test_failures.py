"""Whatever goes wrong with a command is counted as what it is, and never as throughput."""

from __future__ import annotations

import errno
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from tests.load.fakes import (
    HANG_UP,
    NOTHING,
    UNKNOWN,
    Answer,
    Words,
    fake_server,
    to_commands,
    usual,
)
from tests.load.loads import assert_adds_up, drive_here, few_handlers, make_trial
from tests.server.processes import client
from valkeybench.load.failures import failure_kind
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Case, Pool, Think
from valkeybench.scenario.secret import Secret
from valkeybench.server.embedded import embedded_server, pick_free_port
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.measurement.measurement import Measurement

SHORT_NS = 20 * MILLISECOND
LONG_NS = 10_000 * MILLISECOND
FULL = b"-ERR max number of clients reached\r\n"

with_and_without_a_pool = pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])


def fail(endpoint: Endpoint, case: Case, *, command: str = "GET key") -> Measurement:
    """Put a load on a server over connections that commands have to open."""
    trial = make_trial(case, lasts_ns=200 * MILLISECOND, prewarm=False, commands=(command,))
    seen = drive_here(trial, endpoint)
    assert_adds_up(seen)
    failures = seen.histograms.get(Phase.FAILED)
    assert seen.failed == (failures.count if failures else 0)
    assert seen.failed == int(seen.series.failed.sum())
    return seen


def test_an_exhausted_pool_that_raises(embedded: Endpoint) -> None:
    """It fails the commands that find every connection taken, and carries the others."""
    seen = fail(embedded, few_handlers(pool=Pool.RAISING, max_connections=1))
    assert {FailureKind.POOL_EXHAUSTED} == set(seen.failures)
    assert 0 < seen.completed


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.FAIR])
def test_a_pool_whose_patience_ends(pool: Pool) -> None:
    """With a slow server, who waits longer than the pool's timeout for a connection fails."""
    slow = Answer(reply=b"$1\r\nx\r\n", after_ns=3 * SHORT_NS)
    case = few_handlers(pool=pool, max_connections=1, pool_timeout_ns=SHORT_NS)
    with fake_server(to_commands(slow)) as server:
        seen = fail(server.endpoint, case)
    assert {FailureKind.POOL_TIMEOUT} == set(seen.failures)
    assert 0 < seen.completed
    assert SHORT_NS <= (seen.histograms[Phase.FAILED].minimum or 0)


@with_and_without_a_pool
def test_a_port_where_nobody_listens(pool: Pool) -> None:
    """The connection is refused, and none was opened."""
    nobody = Endpoint(host="127.0.0.1", port=pick_free_port())
    seen = fail(nobody, few_handlers(pool=pool))
    assert {FailureKind.CONNECT_REFUSED} == set(seen.failures)
    assert (0, 0) == (seen.completed, seen.opened.connections)


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    """A unix socket without a server counts as refused, too."""
    nobody = Endpoint(path=str(tmp_path / "absent.sock"))
    assert {FailureKind.CONNECT_REFUSED} == set(fail(nobody, few_handlers()).failures)


@pytest.fixture
def full_server() -> Iterator[Endpoint]:
    """Give a server that already has the one client it takes."""
    with embedded_server() as endpoint, closing(client(endpoint)) as only:
        only.config_set("maxclients", 1)
        yield endpoint


@with_and_without_a_pool
def test_a_server_that_is_full(full_server: Endpoint, pool: Pool) -> None:
    """It says so, unless it hangs up before it has heard us."""
    seen = fail(full_server, few_handlers(pool=pool))
    assert 0 < seen.failures[FailureKind.MAX_CLIENTS]
    assert set(seen.failures) <= {FailureKind.MAX_CLIENTS, FailureKind.RESET}
    assert 0 == seen.completed


@with_and_without_a_pool
def test_a_wrong_password(embedded: Endpoint, pool: Pool) -> None:
    """The connections are opened, the set-up command is refused, and the kind is auth."""
    stranger = replace(embedded, password=Secret("not this one"))
    seen = fail(stranger, few_handlers(pool=pool))
    assert {FailureKind.AUTH} == set(seen.failures)
    assert seen.failed + seen.unfinished == seen.opened.connections
    assert seen.opened.connections == seen.opened.refused == seen.opened.round_trips


def test_no_password_where_one_is_needed(embedded: Endpoint) -> None:
    """NOAUTH is auth."""
    stranger = replace(embedded, password=None)
    assert {FailureKind.AUTH} == set(fail(stranger, few_handlers()).failures)


def test_a_user_without_permission(embedded: Endpoint) -> None:
    """NOPERM, on the command and not the connection, is an error of the reply."""
    with closing(client(embedded)) as admin:
        admin.acl_setuser("reader", enabled=True, passwords="+word", keys="*", commands=["+get"])
    reader = replace(embedded, username="reader", password=Secret("word"))
    seen = fail(reader, few_handlers(), command="SET key value")
    assert {FailureKind.REPLY_ERROR} == set(seen.failures)
    assert 1 <= seen.opened.connections <= 2

    # What it may do works, although the set-up commands beside AUTH are refused.
    seen = fail(reader, few_handlers())
    assert {} == seen.failures
    assert 0 < seen.opened.connections < seen.opened.refused


def test_a_command_that_does_not_fit_its_key(embedded: Endpoint) -> None:
    """WRONGTYPE is an error of the reply, and the connection stays."""
    trial = make_trial(few_handlers(), commands=("GET list",))
    with closing(client(embedded)) as asking:
        asking.rpush(f"{trial.key_prefix}list", "item")
    seen = drive_here(trial, embedded)
    assert {FailureKind.REPLY_ERROR} == set(seen.failures)
    assert (0, 0) == (seen.completed, seen.opened.connections)
    assert seen.failed == int(seen.in_use.sum())


def waiting_for(answer: Answer) -> Case:
    """Make a case that waits for a reply, but not long for one that will not come."""
    return few_handlers(socket_timeout_ns=SHORT_NS if answer is NOTHING else LONG_NS)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NOTHING, FailureKind.TIMEOUT),
        (HANG_UP, FailureKind.RESET),
        (Answer(reply=b"$5\r\nab", hang_up=True), FailureKind.RESET),
        (UNKNOWN, FailureKind.REPLY_ERROR),
        (Answer(reply=b"-OOM command not allowed\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-LOADING Valkey is loading the dataset\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-READONLY You can't write\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOPERM no permissions\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOAUTH Authentication required.\r\n"), FailureKind.AUTH),
        (Answer(reply=b"?what\r\n"), FailureKind.RESET),
    ],
)
def test_what_a_server_can_do_to_a_command(answer: Answer, kind: FailureKind) -> None:
    """A server that is silent, hangs up, complains or talks nonsense: each has its kind."""
    with fake_server(to_commands(answer)) as server:
        seen = fail(server.endpoint, waiting_for(answer))
    assert {kind} == set(seen.failures)
    assert 0 == seen.completed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NOTHING, FailureKind.TIMEOUT),
        (HANG_UP, FailureKind.RESET),
        (Answer(reply=FULL, hang_up=True), FailureKind.MAX_CLIENTS),
        (Answer(reply=b"-WRONGPASS invalid username-password pair\r\n"), FailureKind.AUTH),
        (Answer(reply=b"-LOADING Valkey is loading the dataset\r\n"), FailureKind.REPLY_ERROR),
    ],
)
@with_and_without_a_pool
def test_what_a_server_can_do_to_a_new_connection(
    answer: Answer, kind: FailureKind, pool: Pool
) -> None:
    """What befalls the first set-up command is the failure of the command that needed it."""
    with fake_server(lambda _words, _number: answer) as server:
        seen = fail(server.endpoint, replace(waiting_for(answer), pool=pool))
        connections = server.connections
    assert {kind} == set(seen.failures)
    assert connections == seen.opened.connections
    assert 0 == seen.completed


def test_a_server_that_hangs_up_now_and_then() -> None:
    """The next command opens the connection again; what is lost is counted beside what is not."""

    def every_fifth(words: Words, _: int) -> Answer:
        return HANG_UP if words[0] == "GET" and 0 == server.count(is_get) % 5 else usual(words, 0)

    def is_get(words: Words) -> bool:
        return words[0] == "GET"

    with fake_server(every_fifth) as server:
        seen = fail(server.endpoint, few_handlers(concurrency=1, max_connections=1))
        connections = server.connections
    assert {FailureKind.RESET} == set(seen.failures)
    assert seen.completed + seen.unfinished >= 4 * seen.failed
    assert connections == seen.opened.connections
    assert 0 < seen.histograms[Phase.CONNECT].count < seen.completed


def test_failures_are_timed_apart(embedded: Endpoint) -> None:
    """A failed command is in no phase of the completed ones, in or out of a pool."""
    nobody = Endpoint(host="127.0.0.1", port=pick_free_port())
    assert (
        {Phase.FAILED}
        <= set(fail(nobody, few_handlers()).histograms)
        <= {
            Phase.FAILED,
            Phase.RESPONSE,  # one under way when the window closed
        }
    )
    assert Phase.FAILED not in fail(embedded, few_handlers(think=Think(MILLISECOND))).histograms


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.TimeoutError("Timeout connecting to server"), FailureKind.CONNECT_TIMEOUT),
        (redis.TimeoutError("Timeout reading from socket"), FailureKind.TIMEOUT),
        (redis.ConnectionError("Error 111 connecting to h:1."), FailureKind.CONNECT_REFUSED),
        (redis.ConnectionError("Connection closed by server."), FailureKind.RESET),
        (redis.exceptions.AuthorizationError("no"), FailureKind.AUTH),
        (redis.exceptions.ClusterDownError("CLUSTERDOWN no"), FailureKind.REPLY_ERROR),
        (redis.DataError("Invalid input of type"), FailureKind.REPLY_ERROR),
        (BrokenPipeError(), FailureKind.RESET),
        (OSError(errno.EMFILE, "Too many open files"), FailureKind.CLIENT_LIMIT),
        (ValueError(), FailureKind.REPLY_ERROR),
    ],
)
def test_every_exception_has_a_kind(error: Exception, kind: FailureKind) -> None:
    """What no server here can be made to cause is told by type and wording."""
    assert kind == failure_kind(error)
