"""A full accept queue is seen in the kernel's own counters, where it is the server's kernel."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import on_linux, wait_until
from valkeybench.server import doorstep
from valkeybench.server.doorstep import Doorstep, read_doorstep
from valkeybench.server.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

HERE = Endpoint(host="127.0.0.1", port=1)


@on_linux
def test_connections_that_nobody_accepts_are_counted() -> None:
    """A listener with room for hardly any, who accepts none: the kernel turns the rest away."""
    before = read_doorstep(HERE)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(5):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 - its only argument
            caller.connect_ex(listener.getsockname())

        def overflows() -> int:
            return read_doorstep(HERE).since(before).listen_overflows or 0

        wait_until(lambda: overflows() > 0)
        assert overflows() <= (read_doorstep(HERE).since(before).listen_drops or 0)


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint(host="192.0.2.1", port=1),
        Endpoint(host="example.invalid", port=1),
        Endpoint(path="/run/valkey.sock"),
    ],
)
def test_what_another_machine_turned_away_is_not_known(endpoint: Endpoint) -> None:
    """Nor does a unix socket count as TCP."""
    assert Doorstep() == read_doorstep(endpoint)


@on_linux
@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_goes_by_many_names(host: str) -> None:
    """Each of them is answered with numbers."""
    assert None is not read_doorstep(Endpoint(host=host, port=1)).listen_overflows


@pytest.mark.parametrize(
    "text",
    [None, "", "TcpExt: ListenOverflows\n", "IpExt: ListenOverflows ListenDrops\nIpExt: 1 2\n"],
)
def test_a_kernel_that_does_not_tell_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """No file, no lines or none of the names: not known."""
    path = tmp_path / "netstat"
    if text is not None:
        path.write_text(text, encoding="ascii")
    monkeypatch.setattr(doorstep, "_NETSTAT", path)
    assert Doorstep() == read_doorstep(HERE)


def test_what_is_not_known_adds_up_to_nothing_known() -> None:
    """A difference needs both ends."""
    known = Doorstep(listen_overflows=3, listen_drops=4)
    assert Doorstep(listen_overflows=1, listen_drops=0) == known.since(
        Doorstep(listen_overflows=2, listen_drops=4)
    )
    assert Doorstep() == known.since(Doorstep())
