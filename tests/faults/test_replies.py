"""Replies that are errors, nonsense or cut short: counted as what they are by every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.aftermath import nothing_left_here
from tests.faults.driving import drive_until, every_driver
from tests.faults.proxy import EveryNth, Fault, proxied, says
from tests.load.loads import few_handlers
from tests.server.processes import on_linux
from valkeybench.measurement.metrics import FailureKind
from valkeybench.scenario.model import Handshake
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import Driver
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux


@pytest.fixture(scope="module")
def plain() -> Iterator[Endpoint]:
    """Give a server that nobody harms."""
    with embedded_server() as endpoint:
        yield endpoint


ERRORS = {
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "LOADING": "LOADING Valkey is loading the dataset in memory",
    "READONLY": "READONLY You can't write against a read only replica.",
    "NOAUTH": "NOAUTH Authentication required.",
    "NOPERM GET": "NOPERM User default has no permissions to run the 'get' command",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "MISCONF": "MISCONF Errors writing to the AOF file",
}
"""What a server may answer, by what it is to be counted as."""


@every_driver
def test_errors_in_place_of_replies(plain: Endpoint, driver: Driver) -> None:
    """Each is one failure, by its kind and its code; the commands between get through."""
    with nothing_left_here(), proxied(plain) as proxy:
        proxy.rule = EveryNth("GET", *(says(f"-{e}\r\n".encode()) for e in ERRORS.values()))
        seen = drive_until(
            lambda seen: set(ERRORS) <= set(seen.error_replies),
            few_handlers(driver=driver),
            proxy.endpoint,
        )
        assert {FailureKind.REPLY_ERROR, FailureKind.AUTH} == set(seen.failures)
        assert set(ERRORS) == set(seen.error_replies)
        assert seen.failures[FailureKind.AUTH] == seen.error_replies["NOAUTH"]
        assert seen.failed == sum(seen.error_replies.values())
        assert seen.failed <= proxy.struck <= seen.failed + seen.unfinished
    assert 0 < seen.completed


NONSENSE = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no protocol": bytes(range(128, 256)) + b"\r\n",
    "a length that is no number": b"$abc\r\nx\r\n",
    "a length written as none is": b"$1_0\r\n0123456789\r\n",
    "a length below nothing": b"$-7\r\n",
    "a number that is none": b":many\r\n",
    "a count beyond all bounds": b"*99999999999999999999\r\n",
    "a line within a line": b"+a\rb\r\n",
}


@every_driver
def test_nonsense_in_place_of_replies(plain: Endpoint, driver: Driver) -> None:
    """It breaks the connection, costs one command, and is never taken for a reply."""
    with nothing_left_here(), proxied(plain) as proxy:
        proxy.rule = EveryNth("GET", *map(says, NONSENSE.values()))
        seen = drive_until(
            lambda seen: seen.failed >= 2 * len(NONSENSE),
            few_handlers(driver=driver),
            proxy.endpoint,
        )
        assert {FailureKind.RESET} == set(seen.failures)
        assert seen.failed <= proxy.struck <= seen.failed + seen.unfinished
        assert seen.failed <= proxy.connections
    assert {} == seen.error_replies
    assert 0 < seen.completed


@every_driver
def test_one_reply_too_many(plain: Endpoint, driver: Driver) -> None:
    """The next command does not take it for its own: the connection is not used any more."""
    with nothing_left_here(), proxied(plain) as proxy:
        proxy.rule = EveryNth("GET", Fault(change=lambda reply: reply + b"$5\r\nstray\r\n"))
        # redis-py looks connections over unless it waits for notifications of maintenance.
        case = few_handlers(driver=driver, handshake=Handshake.MINIMAL)
        seen = drive_until(lambda _: proxy.struck > 10, case, proxy.endpoint)
        # It has its reply by then; the bare wire has it fail, with nobody to look later.
        assert set(seen.failures) <= {FailureKind.RESET}
        assert proxy.struck <= proxy.connections
    assert 0 < seen.completed
