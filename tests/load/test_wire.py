"""What coordinator and load process say arrives whole, passwords included, or not at all."""

from __future__ import annotations

import io
import os
import pickle

import pytest

from tests.load.loads import few_handlers, make_trial
from valkeybench.load.wire import EndOfTalkError, Order, Ready, Start, receive, send
from valkeybench.scenario.model import Secret, TlsSettings
from valkeybench.server.endpoint import Endpoint

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
