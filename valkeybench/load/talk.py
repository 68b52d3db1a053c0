"""What coordinator and load process say to each other: length-prefixed pickles over pipes.

A load process is started by us, from our own interpreter, and talks over pipes nobody
else holds; that is what makes pickles acceptable here. Passwords travel this way too,
on purpose and only this way. Who carries messages on to another machine carries frames,
which it neither reads nor shows.
"""

from __future__ import annotations

import io
import pickle
import struct
from copyreg import dispatch_table
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from valkeybench.scenario.secret import Secret

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """When to begin, on the perf_counter clock of the machine that hears it."""

    at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What it saw, and when it began to drive, on the perf_counter clock of its machine."""

    measurement: Measurement
    began: int


@dataclass(frozen=True, slots=True)
class Refused:
    """It could not even prewarm: why, and what to do."""

    words: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unable:
    """Its machine did not give it what the load needs: what the system said."""

    words: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A bug: the traceback."""

    trace: str


class Frame(bytes):
    """One message, packed. It may hold passwords, so printing it shows its size alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show how long it is."""
        return f"<{len(self)} bytes>"

    __str__ = __repr__


_LENGTH = struct.Struct("!Q")


class EndOfTalkError(EOFError):
    """The other side has gone."""


def _reduce_counts(array: NDArray[Any]) -> tuple[Any, ...]:
    """Say counters that are mostly zero, as a histogram's are, by those that are not."""
    filled = np.flatnonzero(array)
    if array.dtype != np.int64 or 2 * filled.size >= array.size:
        return cast("tuple[Any, ...]", array.__reduce_ex__(pickle.HIGHEST_PROTOCOL))
    return _counts, (array.shape, _small(filled), _small(array.ravel()[filled]))


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Use no more bytes for each number than the least and the largest take."""
    types = [np.min_scalar_type(edge) for edge in (array.min(initial=0), array.max(initial=0))]
    return array.astype(np.promote_types(*types))


def _counts(shape: tuple[int, ...], filled: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    array = np.zeros(shape, np.int64)
    array.ravel()[filled] = counts
    return array


class _Pickler(pickle.Pickler):
    dispatch_table = {  # noqa: RUF012 - pickle reads it off the class
        **dispatch_table,
        Secret: lambda secret: (Secret, (secret.reveal(),)),
        np.ndarray: _reduce_counts,
    }


def pack(message: object) -> Frame:
    """Make a frame of a message, passwords in clear."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    return Frame(buffer.getvalue())


def unpack(frame: bytes) -> Any:
    """Give the message in a frame."""
    return pickle.loads(frame)  # noqa: S301 - from our own processes, over pipes or a cluster we trust


def send_frame(pipe: BinaryIO, frame: bytes) -> None:
    """Say something packed; raises EndOfTalkError when nobody listens any more."""
    try:
        pipe.write(_LENGTH.pack(len(frame)) + frame)
        pipe.flush()
    except (BrokenPipeError, ValueError) as error:
        raise EndOfTalkError from error


def receive_frame(pipe: BinaryIO) -> Frame:
    """Hear the next thing said, packed; raises EndOfTalkError when there is none."""
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size))
    return Frame(_read(pipe, length))


def send(pipe: BinaryIO, message: object) -> None:
    """Say something; raises EndOfTalkError when nobody listens any more."""
    send_frame(pipe, pack(message))


def receive(pipe: BinaryIO) -> Any:
    """Hear the next thing said; raises EndOfTalkError when there is none."""
    return unpack(receive_frame(pipe))


def _read(pipe: BinaryIO, size: int) -> bytes:
    """Read exactly so much, also from a pipe without a buffer, which gives what it has."""
    parts = []
    while size > 0:
        part = pipe.read(size)
        if not part:
            raise EndOfTalkError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
