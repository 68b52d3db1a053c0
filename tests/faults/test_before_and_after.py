"""Faults before the load and after it: one message and nothing kept, or nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, external
from tests.faults.aftermath import OUTPUT, assert_aftermath, assert_refused, keys_of_ours
from tests.faults.proxy import CUT, HALF_A_REPLY, EveryNth, proxied, says
from tests.server.processes import on_linux
from valkeybench.errors import ExitCode
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.aftermath import Scene
    from tests.faults.proxy import Fault, Request
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux

SHORT = ("run", *TINY, "--pool", "blocking", "-o", OUTPUT)
NONSENSE = says(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture(scope="module")
def plain() -> Iterator[Endpoint]:
    """Give a server that nobody harms."""
    with embedded_server() as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("name", "fault", "said"),
    [
        ("AUTH", HALF_A_REPLY, ("the server closed the connection", "write valkeys://")),
        ("INFO", NONSENSE, ("what answers there is no Valkey server", "check the port")),
        ("SET", CUT, ("could not be written", "nothing in between cuts connections")),
        ("SET", says(b"-OOM no\r\n"), ("could not be written", "raise the server's maxmemory")),
        ("SET", says(b"-READONLY no\r\n"), ("could not be written", "name the primary")),
    ],
)
def test_a_fault_before_the_load(
    scene: Scene, plain: Endpoint, name: str, fault: Fault, said: tuple[str, str]
) -> None:
    """The run does not begin: 3, with what is wrong and what to do, and no key or file stays."""
    assert plain.password is not None
    with proxied(plain) as proxy:
        proxy.rule = EveryNth(name, fault, nth=1)
        ended = scene.ended(*SHORT, "-q", **external(proxy.endpoint))
    message = assert_refused(
        scene, ended, code=ExitCode.SERVER, secret=plain.password.reveal()
    ).splitlines()
    assert all(words in line for words, line in zip(said, message, strict=True))
    assert [] == keys_of_ours(plain)


class Awkward:
    """A rule: COMMAND INFO is answered with something else, and the clearing up is cut once."""

    def __init__(self) -> None:
        self._removals = 0

    def __call__(self, request: Request) -> Fault | None:
        """Strike COMMAND, and the second UNLINK; the first only asks whether it is allowed."""
        self._removals += request.name == "UNLINK"
        if request.name == "UNLINK" and self._removals == 2:
            return CUT
        return says(b"*1\r\n:7\r\n") if request.name == "COMMAND" else None


def test_a_server_that_is_awkward_before_and_after(scene: Scene, plain: Endpoint) -> None:
    """What it knows of commands is done without, and keys are removed over a new connection."""
    with proxied(plain) as proxy:
        proxy.rule = Awkward()
        ended = scene.ended(*SHORT, **external(proxy.endpoint))
        assert 2 == proxy.struck
    run = assert_aftermath(scene, ended, servers=(plain,))
    assert "keys_left" not in {warning.code for warning in run.warnings}
    assert [] == keys_of_ours(plain)
