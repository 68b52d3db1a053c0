"""Where a reply ends does not depend on how it is cut into pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.load.wire.failure import ErrorReplyError, WireError
from valkeybench.load.wire.replies import NOT_YET, Glance, ReplyReader
from valkeybench.measurement.metrics import FailureKind

line = st.binary(max_size=20).filter(lambda raw: not set(raw) & set(b"\r\n"))
simple: st.SearchStrategy[tuple[bytes, Any]] = st.one_of(
    st.binary(max_size=300).map(lambda raw: (b"$%d\r\n%b\r\n" % (len(raw), raw), raw)),
    line.map(lambda raw: (b"+%b\r\n" % raw, raw)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: (b":%d\r\n" % number, number)),
    st.booleans().map(lambda yes: (b"#t\r\n" if yes else b"#f\r\n", yes)),
    st.sampled_from([(b"$-1\r\n", None), (b"_\r\n", None), (b"*-1\r\n", None), (b"*0\r\n", [])]),
)


def as_array(items: list[tuple[bytes, Any]]) -> tuple[bytes, Any]:
    """Write an array of replies, and say what it means."""
    return b"*%d\r\n" % len(items) + b"".join(raw for raw, _ in items), [v for _, v in items]


def as_map(items: dict[bytes, tuple[bytes, Any]]) -> tuple[bytes, Any]:
    """Write a RESP3 map, and say what it means."""
    pairs = b"".join(b"$%d\r\n%b\r\n" % (len(k), k) + raw for k, (raw, _) in items.items())
    return b"%%%d\r\n" % len(items) + pairs, {k: value for k, (_, value) in items.items()}


replies = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(as_array),
        st.dictionaries(st.binary(max_size=5), inner, max_size=3).map(as_map),
    ),
    max_leaves=12,
)


def pieces_of(raw: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes at these places, wherever they fall."""
    places = sorted({cut % (len(raw) + 1) for cut in cuts} | {0, len(raw)})
    return [raw[a:b] for a, b in pairwise(places)]


def hear(pieces: list[bytes]) -> Any:  # noqa: ANN401 - any reply
    """Hear a reply as a handler does: at a glance if that will do, else piece by piece."""
    first, *rest = pieces
    if Glance().is_whole(first):
        assert [] == rest
    reader = ReplyReader()
    for piece in pieces[:-1]:
        reader.feed(piece)
        assert NOT_YET is reader.take()
    reader.feed(pieces[-1])
    return reader.take()


@given(replies, st.lists(st.integers(0, 10_000), max_size=6))
def test_any_split_gives_the_same_reply(reply: tuple[bytes, Any], cuts: list[int]) -> None:
    """A reply is heard whole, once, and not before its last byte, however its bytes come."""
    raw, meaning = reply
    assert meaning == hear(pieces_of(raw, cuts))


@given(simple, st.integers(0, 10_000), st.lists(simple, max_size=3))
def test_no_part_of_a_reply_is_taken_for_a_whole(
    reply: tuple[bytes, Any], cut: int, before: list[tuple[bytes, Any]]
) -> None:
    """The glance is sure or says no, whatever it saw before, this very reply included."""
    raw, _ = reply
    glance = Glance()
    for earlier, _ in [*before, reply]:
        glance.is_whole(earlier)
    assert not glance.is_whole(raw[: cut % len(raw)])
    assert not glance.is_whole(raw + b"+")


def test_what_the_glance_is_for_needs_no_second_look() -> None:
    """The replies of nearly all commands are known to be whole by their first line."""
    for raw in (b"$5\r\n\r\n$1\r\r\n", b"$0\r\n\r\n", b"$-1\r\n", b"_\r\n", b"+OK\r\n", b":-7\r\n"):
        assert Glance().is_whole(raw)


def test_nothing_and_the_end_are_no_reply() -> None:
    """None is that nothing has come yet, no bytes that nothing will."""
    assert not Glance().is_whole(None)
    assert not Glance().is_whole(b"")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("ERR unknown command", FailureKind.REPLY_ERROR),
        ("LOADING the dataset", FailureKind.REPLY_ERROR),
        ("ERR max number of clients reached", FailureKind.MAX_CLIENTS),
        ("NOAUTH Authentication required.", FailureKind.AUTH),
        ("WRONGPASS invalid username-password pair", FailureKind.AUTH),
        ("NOPERM this user has no permissions", FailureKind.REPLY_ERROR),
    ],
)
@given(cut=st.integers(1, 1000))
def test_errors_are_raised_with_their_kind_however_they_come(
    words: str, kind: FailureKind, cut: int
) -> None:
    """In one piece or in two."""
    raw = b"-%b\r\n" % words.encode()
    pieces = pieces_of(raw, [cut])
    with pytest.raises(ErrorReplyError, match=words[:8]) as raised:
        hear(pieces)
    assert kind is raised.value.kind


@given(st.lists(st.integers(0, 10_000), max_size=4))
def test_messages_nobody_asked_for_are_passed_over(cuts: list[int]) -> None:
    """A push of RESP3 before a reply is not that reply."""
    raw = b">2\r\n+moving\r\n:1\r\n$1\r\nx\r\n"
    assert b"x" == hear(pieces_of(raw, cuts))


def test_what_is_no_resp_breaks_the_connection() -> None:
    """It is not taken for a reply."""
    with pytest.raises(WireError) as raised:
        hear([b"HTTP/1.1 400 Bad Request\r\n"])
    assert FailureKind.RESET is raised.value.kind
