"""Whatever a server answers is taken for what hiredis takes it, or fails as what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.effort import effort
from tests.fuzz.replies import babbled, babbling, driven, splits
from tests.fuzz.targets import REPLIES
from tests.load.loads import drive_here, make_trial
from tests.load.wire.test_replies import replies
from valkeybench.load.wire.replies import Glance
from valkeybench.measurement.metrics import FailureKind
from valkeybench.scenario.model import Case, Driver, Handshake, Pool, Think
from valkeybench.units import MILLISECOND

TYPES = st.sampled_from([bytes([sign]) for sign in b"+-:$*_#,(=~%>|!"])
NUMBERS = st.sampled_from(
    [b"0", b"1", b"2", b"-1", b"-2", b"+1", b" 1", b"1_0", b"01", b"", b"x", b"9" * 30, b"1.5"]
)
ENDS = st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"", b"XX"])
LINES = st.builds(
    lambda sign, number, body, end: sign + number + body + end,
    TYPES, NUMBERS, st.sampled_from([b"", b"", b"\r\n", b"\r\nabc", b"a\nb", b"t", b"inf"]), ENDS,
)  # fmt: skip
NEARLY = st.one_of(
    replies.map(lambda reply: reply[0]),
    st.sampled_from(REPLIES),
    st.lists(LINES, min_size=1, max_size=4).map(b"".join),
    st.builds(
        lambda raw, at, odd: raw[: at % len(raw)] + odd + raw[at % len(raw) + 1 :],
        st.sampled_from(REPLIES), st.integers(0, 40), st.binary(max_size=2),
    ),
    st.binary(min_size=1, max_size=40),
)  # fmt: skip


@effort(600)
@given(NEARLY)
def test_however_bytes_are_cut_they_mean_what_hiredis_says(data: bytes) -> None:
    """At a glance or not, in one piece, in two, or byte by byte."""
    splits(data)


@effort(20)
@given(st.integers(0, 255), NEARLY)
def test_the_driver_counts_only_what_was_answered(cut: int, data: bytes) -> None:
    """Over real sockets: a whole reply is a command completed, anything else a failure."""
    driven(bytes([cut]) + data)


@effort(12)
@given(st.integers(0, 255), NEARLY)
def test_the_driver_ends_whatever_it_hears(cut: int, data: bytes) -> None:
    """To its introduction, to batches and to commands; what it then tells adds up."""
    babbled(bytes([cut]) + data)


@pytest.mark.parametrize(
    "data",
    [
        b"$?\r\n", b"$\r\n\r\n", b"$1_0\r\n0123456789\r\n", b"$+3\r\nabc\r\n", b"$03\r\nabc\r\n",
        b":abc\r\n", b":\r\n", b":9223372036854775808\r\n", b"_x\r\n", b"#x\r\n", b",x\r\n",
        b"+a\nb\r\n", b"$" + b"9" * 5000 + b"\r\n", b"%1\r\n%1\r\n+a\r\n:1\r\n:2\r\n",
    ],
)  # fmt: skip
def test_what_is_no_reply_is_not_taken_for_one(data: bytes) -> None:
    """Found by machine: the glance took them for replies, or ended the load with a traceback."""
    assert not Glance().is_whole(data)
    assert not splits(data)


def test_two_replies_to_one_command_are_a_failure() -> None:
    """The next command would take the second for its own."""
    case = Case(
        driver=Driver.WIRE, pool=Pool.FAIR, handshake=Handshake.MINIMAL, protocol=2,
        concurrency=1, max_connections=1, think=Think(0),
    )  # fmt: skip
    for twice in (b"*0\r\n+OK\r\n", b"+OK\r\n+OK\r\n", b"-ERR x\r\n-ERR x\r\n"):
        with babbling(twice, cut=0, every=True) as endpoint:
            seen = drive_here(make_trial(case, lasts_ns=50 * MILLISECOND), endpoint)
        assert 0 == seen.completed
        assert {FailureKind.RESET} == set(seen.failures)
