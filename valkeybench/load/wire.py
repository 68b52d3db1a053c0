"""What coordinator and load process say to each other: length-prefixed pickles over pipes.

A load process is started by us, from our own interpreter, and talks over pipes nobody
else holds; that is what makes pickles acceptable here. Passwords travel this way too,
on purpose and only this way.
"""

from __future__ import annotations

import io
import pickle
import struct
from copyreg import dispatch_table
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from valkeybench.scenario.model import Secret

if TYPE_CHECKING:
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Order:
    """What a load process is asked to do."""

    trial: Trial
    endpoint: Endpoint
    process: int


@dataclass(frozen=True, slots=True)
class Ready:
    """It is prewarmed and waits for the start."""


@dataclass(frozen=True, slots=True)
class Start:
    """When to begin, on the perf_counter clock of this machine."""

    at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What it saw."""

    measurement: Measurement


@dataclass(frozen=True, slots=True)
class Refused:
    """It could not even prewarm: the kind of failure and the client's words."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A bug: the traceback."""

    trace: str


_LENGTH = struct.Struct("!Q")


class EndOfTalkError(EOFError):
    """The other side has gone."""


class _Pickler(pickle.Pickler):
    dispatch_table = {**dispatch_table, Secret: lambda secret: (Secret, (secret.reveal(),))}  # noqa: RUF012 - pickle reads it off the class


def send(pipe: BinaryIO, message: object) -> None:
    """Say something; raises EndOfTalkError when nobody listens any more."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    body = buffer.getvalue()
    try:
        pipe.write(_LENGTH.pack(len(body)) + body)
        pipe.flush()
    except (BrokenPipeError, ValueError) as error:
        raise EndOfTalkError from error


def receive(pipe: BinaryIO) -> Any:
    """Hear the next thing said; raises EndOfTalkError when there is none."""
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EndOfTalkError
    (length,) = _LENGTH.unpack(header)
    body = pipe.read(length)
    if len(body) < length:
        raise EndOfTalkError
    return pickle.loads(body)  # noqa: S301 - from our own process, over our own pipe
