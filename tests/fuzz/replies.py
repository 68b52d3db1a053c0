"""What must hold of any bytes a server may answer with.

The wire driver takes them for a reply, an error or neither exactly as hiredis does.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hiredis

from tests.load.loads import assert_adds_up, drive_here, few_handlers, make_trial
from valkeybench.load.wire.failure import ErrorReplyError, WireError
from valkeybench.load.wire.replies import NOT_YET, Glance, ReplyReader
from valkeybench.scenario.model import Driver, Handshake, Pool
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.measurement.measurement import Measurement

_VAST = re.compile(rb"[>*%~|][0-9]{6}")
"""Replies of a million parts: hiredis makes room for all at once, before any has come, and takes
gigabytes and seconds for it, in redis-py as well."""

_PATIENCE_NS = 50 * MILLISECOND
"""How long to wait for a server that says less than was asked for."""

_WINDOWS_NS = (20 * MILLISECOND, 200 * MILLISECOND, 5 * SECOND)
"""How long to ask; the next where nothing was asked in the one before."""

_WANTING, _REFUSED, _BROKEN = "wanting", "refused", "broken"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What hiredis makes of bytes: the first reply that was asked for, and what comes after."""

    reply: str
    """As Python writes it, which makes equals of what is no number."""
    more: bool
    pushed: bool

    @property
    def is_reply(self) -> bool:
        """Whether a command would have been answered, and not with an error."""
        return self.reply not in (_WANTING, _REFUSED, _BROKEN)


def meaning(data: bytes) -> Meaning:
    """Ask hiredis, by itself."""
    reader = hiredis.Reader(replyError=ErrorReplyError, notEnoughData=NOT_YET)
    reader.feed(data)
    pushed = False
    try:
        while isinstance(reply := reader.gets(), hiredis.PushNotification):
            pushed = True
    except (hiredis.ProtocolError, TypeError):
        return Meaning(_BROKEN, more=False, pushed=pushed)
    said = _REFUSED if isinstance(reply, ErrorReplyError) else repr(reply)
    return Meaning(
        _WANTING if reply is NOT_YET else said, more=bool(reader.has_data()), pushed=pushed
    )


def splits(data: bytes) -> bool:
    """However bytes are cut, they mean what hiredis says of all of them; give if it is a reply."""
    if _VAST.search(data):
        return False
    whole = meaning(data)
    for glance in (Glance(), _seen(data)):
        if glance.is_whole(data):
            assert whole.is_reply, (data, whole)
            assert (False, False) == (whole.more, whole.pushed), (data, whole)
    for at in {0, 1, len(data) // 3, len(data) // 2, len(data) - 1} & set(range(len(data))):
        for glance in (Glance(), _seen(data)):
            if glance.is_whole(data[:at]):
                part = meaning(data[:at])
                assert part.is_reply, (data, at)
                assert not part.more, (data, at)
        assert whole.reply == heard([data[:at], data[at:]]), (data, at)
    assert whole.reply == heard(
        [data[i : i + 1] for i in range(min(len(data), 200))] + [data[200:]]
    )
    return whole.is_reply


def _seen(data: bytes) -> Glance:
    """Give a glance that has seen a reply, and this."""
    glance = Glance()
    glance.is_whole(b"$1\r\nx\r\n")
    glance.is_whole(data)
    return glance


def heard(pieces: Sequence[bytes]) -> str:
    """Hear pieces as a connection does; give the first reply, or what it was instead."""
    reader = ReplyReader()
    try:
        for piece in pieces:
            reader.feed(piece)
            reply = reader.take()
            if reply is not NOT_YET:
                return repr(reply)
    except ErrorReplyError:
        return _REFUSED
    except WireError:
        return _BROKEN
    return _WANTING


@contextmanager
def babbling(data: bytes, *, cut: int, every: bool) -> Iterator[Endpoint]:
    """Give a server that says these bytes in two pieces to whoever asks, then hangs up.

    `every`: to everything it hears, for as long as it is asked.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    pieces = [piece for piece in (data[:cut], data[cut:]) if piece]

    def serve() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), caller:
                caller.settimeout(5)
                caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while caller.recv(1 << 16):
                    for piece in pieces:
                        caller.sendall(piece)
                    if not every:
                        break
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(1 << 16):
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    host, port = listener.getsockname()
    try:
        yield Endpoint(host=host, port=port)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def driven(data: bytes) -> bool:
    """Let the whole driver hear bytes for replies: it counts as completed what was answered."""
    cut, data = (data[0] if data else 0), data[1:]
    if not data or _VAST.search(data):
        return False
    expected = meaning(data)
    with babbling(data, cut=cut % len(data), every=False) as endpoint:
        # In so short a window a busy machine may not come to ask at all.
        loads = (_load(endpoint, lasts_ns=lasts_ns) for lasts_ns in _WINDOWS_NS)
        seen = next(seen for seen in loads if seen.attempted)
    _holds(seen)
    if expected.more:  # a second reply fails the command if it came with the first
        return True
    if expected.is_reply:
        assert {} == seen.failures, (data, seen.failures)
    else:
        assert 0 == seen.completed, (data, seen.completed)
    return expected.is_reply


def babbled(data: bytes) -> bool:
    """Let the driver hear bytes for everything, its introduction and batches included."""
    cut, data = (data[0] if data else 0), data[1:]
    if not data or _VAST.search(data):
        return False
    seen = None
    with babbling(data, cut=cut % len(data), every=True) as endpoint, suppress(WireError, OSError):
        seen = _load(
            endpoint,
            commands=("MULTI GET a ; GET b", "PIPELINE 3 GET a", "GET a"),
            pool=Pool.FAIR,
            handshake=Handshake.SHIPPED,
            protocol=3,
            socket_timeout_ns=_PATIENCE_NS,
        )
    if seen is not None:
        _holds(seen)
        return bool(seen.completed)
    return False


def _load(
    endpoint: Endpoint,
    commands: tuple[str, ...] = ("GET a",),
    lasts_ns: int = _WINDOWS_NS[0],
    **changes: object,
) -> Measurement:
    usual: dict[str, object] = {
        "driver": Driver.WIRE,
        "pool": Pool.NONE,
        "handshake": Handshake.MINIMAL,
        "protocol": 2,
        "concurrency": 1,
        "max_connections": 1,
        "socket_timeout_ns": SECOND,
        "connect_timeout_ns": SECOND,
    }
    case = few_handlers(**usual | changes)
    trial = make_trial(case, lasts_ns=lasts_ns, commands=commands, tally_replies=True)
    return drive_here(trial, endpoint, grace_ns=2 * SECOND)


def _holds(seen: Measurement) -> None:
    assert_adds_up(seen)
    assert seen.attempted == seen.completed + seen.failed + seen.unfinished + seen.dropped
    assert 0 == seen.abandoned
