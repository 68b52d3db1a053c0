"""A load process: hears what to do, prewarms, says so, drives its share, tells what it saw.

It is started fresh for each trial, so that no trial inherits connections, garbage or
warmed-up caches from another. It ends when its coordinator does, however that ends and
whatever it is doing.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from queue import SimpleQueue
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from valkeybench.load.driver import make_driver
from valkeybench.load.failures import failure_kind
from valkeybench.load.preflight import raise_open_files_limit
from valkeybench.load.prewarming import refused
from valkeybench.load.punctual import be_punctual
from valkeybench.load.talk import (
    Crashed,
    EndOfTalkError,
    Order,
    Ready,
    Refused,
    Seen,
    Start,
    Unable,
    receive,
    send,
)
from valkeybench.measurement.metrics import FailureKind
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import Driver
from valkeybench.scenario.word import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable

Heard: TypeAlias = Order | Start
Inbox: TypeAlias = "SimpleQueue[Heard]"


def main() -> None:
    """Talk over standard input and output; anything printed goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides when we stop
    tell = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: Inbox = SimpleQueue()
    message: Seen | Refused | Unable | Crashed
    try:
        threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
        message = _serve(inbox, tell)
    except Exception as error:  # noqa: BLE001 - whatever it was, the coordinator must hear of it
        message = _failure(error, str)
    try:
        send(tell, message)
    except EndOfTalkError:
        os._exit(0)
    if isinstance(message, Unable) or (isinstance(message, Seen) and message.measurement.abandoned):
        # Threads still busy with a command would keep an ordinary exit waiting.
        os._exit(0)


def _listen(inbox: Inbox) -> None:
    """Hand on what the coordinator says; when it says no more it is gone, and so are we."""
    # Without a buffer, whose lock, held here, would abort the interpreter when it exits.
    hear = cast("BinaryIO", os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False))
    try:
        while True:
            inbox.put(receive(hear))
    except EndOfTalkError:
        os._exit(0)


def _serve(inbox: Inbox, tell: BinaryIO) -> Seen | Refused | Unable | Crashed:
    order = cast("Order", inbox.get())
    try:
        return _load(order, inbox, tell)
    except Exception as error:  # noqa: BLE001 - as in main, where nobody knows what to hide
        return _failure(error, order.endpoint.masked)


def _load(order: Order, inbox: Inbox, tell: BinaryIO) -> Seen | Refused:
    raise_open_files_limit()
    case = order.trial.case
    if case.rtt_ns or case.rate is not None or case.driver is Driver.WIRE:
        # Not always: timers without slack cost every command of a client with a timeout.
        be_punctual()
    if order.trial.pin is not None:
        os.sched_setaffinity(0, order.trial.pin)
    driver = make_driver(order.trial, order.endpoint, process=order.process)
    try:
        driver.prewarm()
    except Exception as error:
        if isinstance(error, TemplateError) or _is_lack(error):
            raise  # not the server's doing
        return refused(error, order.endpoint, opened=driver.prewarmed, wanted=case.max_connections)
    _spare_what_is_there()
    send(tell, Ready())
    start = cast("Start", inbox.get())
    opens = start.at + order.trial.warmup_ns
    began = clock()
    return Seen(driver.drive(Window(opens, opens + order.trial.duration_ns)), began)


def _spare_what_is_there() -> None:
    """Keep the garbage collector off everything that was made before the load.

    Most of it is our own: modules, tables of commands. Walking through it takes tens of
    milliseconds, in which no handler would get anywhere, and no application has it.
    """
    gc.collect()
    gc.freeze()


def _failure(error: Exception, masked: Callable[[str], str]) -> Unable | Crashed:
    """Tell what the machine would not give from what is a bug of ours; no password is in either."""
    if _is_lack(error):
        return Unable(masked(str(error)) or "out of memory")
    return Crashed(masked(traceback.format_exc()))


def _is_lack(error: Exception) -> bool:
    """Whether the machine had no memory, threads, files or ports to give."""
    # The only thing Python says when the system has no more threads.
    no_threads = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    no_more_connections = failure_kind(error) is FailureKind.CLIENT_LIMIT
    return no_threads or no_more_connections or isinstance(error, MemoryError)


if __name__ == "__main__":
    main()
