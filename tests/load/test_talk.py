"""What coordinator and load process say arrives whole, passwords included, or not at all."""

from __future__ import annotations

import io
import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings

from tests.load.loads import few_handlers, make_trial
from tests.measurement.measurements import differences, measurements
from valkeybench.load.talk import (
    EndOfTalkError,
    Frame,
    Order,
    Ready,
    Seen,
    Start,
    pack,
    receive,
    send,
    unpack,
)
from valkeybench.scenario.model import TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.endpoint import Endpoint

if TYPE_CHECKING:
    from valkeybench.measurement.measurement import Measurement

ENDPOINT = Endpoint(
    host="h", port=1, password=Secret("word"), trust=TlsSettings(key_password=Secret("key"))
)
ORDER = Order(make_trial(few_handlers()), ENDPOINT, 3)


def test_an_order_arrives_with_its_passwords() -> None:
    """They travel this way only; any other pickling refuses them."""
    pipe = io.BytesIO()
    send(pipe, ORDER)
    send(pipe, Start(7))
    pipe.seek(0)
    assert ORDER == receive(pipe)
    assert Start(7) == receive(pipe)
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(ORDER)


def test_half_a_message_is_the_end() -> None:
    """Wherever it stops: nothing is made of what has come."""
    pipe = io.BytesIO()
    send(pipe, Ready())
    whole = pipe.getvalue()
    for length in range(len(whole)):
        with pytest.raises(EndOfTalkError):
            receive(io.BytesIO(whole[:length]))
    assert Ready() == receive(io.BytesIO(whole))


def test_talking_to_nobody_is_the_end() -> None:
    """The other side has closed its end of the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as pipe, pytest.raises(EndOfTalkError):  # noqa: PTH123 - a descriptor
        send(pipe, Ready())


def test_a_frame_shows_nothing_of_what_it_holds() -> None:
    """Others may carry it, and write what they carry into their logs."""
    frame = pack(ORDER)
    assert b"word" in bytes(frame)
    assert f"<{len(frame)} bytes>" == repr(frame) == str(frame)
    assert ORDER == unpack(frame)
    assert isinstance(pickle.loads(pickle.dumps(frame)), Frame)  # noqa: S301 - our own


@given(measurements)
@settings(deadline=None, max_examples=30)
def test_a_measurement_arrives_as_it_was(seen: Measurement) -> None:
    """Counters without their zeros are the same counters."""
    arrived = unpack(pack(Seen(seen, 5)))
    assert 5 == arrived.began
    assert [] == differences(seen, arrived.measurement)


@pytest.mark.parametrize("count", [1, 255, 2**31, 2**63 - 1, -1, -(2**62)])
def test_counters_that_are_mostly_zero_travel_without_zeros(count: int) -> None:
    """Whatever they have counted; those that are not, and other kinds, as they are."""
    sparse = np.zeros((4, 5000), np.int64)
    sparse[1, 7] = sparse[3, 4999] = count
    assert len(pack(sparse)) < 1000
    for array in (sparse, np.arange(9), np.array([0.5, 0, 0]), np.zeros(0, np.int64)):
        arrived = unpack(pack(array))
        assert arrived.dtype == array.dtype
        assert np.array_equal(arrived, array)
        arrived += 1  # what arrives can be counted on
