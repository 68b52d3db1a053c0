"""A load process: hears what to do, prewarms, says so, drives its share, tells what it saw.

It is started fresh for each trial, so that no trial inherits connections, garbage or
warmed-up caches from another. It ends when its coordinator does, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from typing import BinaryIO

from valkeybench.load.driver import make_driver
from valkeybench.load.failures import failure_kind
from valkeybench.load.preflight import raise_open_files_limit
from valkeybench.load.punctual import be_punctual
from valkeybench.load.wire import (
    Crashed,
    EndOfTalkError,
    Order,
    Ready,
    Refused,
    Seen,
    Start,
    receive,
    send,
)
from valkeybench.measurement.recorder import Window


def main() -> None:
    """Talk over standard input and output; anything printed goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides when we stop
    hear = sys.stdin.buffer
    tell = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    message: Seen | Refused | Crashed
    try:
        message = _serve(hear, tell)
    except EndOfTalkError:
        return
    except Exception:  # noqa: BLE001 - whatever it was, the coordinator must hear of it
        message = Crashed(traceback.format_exc())
    send(tell, message)
    if isinstance(message, Seen) and message.measurement.abandoned:
        # Threads still stuck in a command would keep an ordinary exit waiting.
        os._exit(0)


def _serve(hear: BinaryIO, tell: BinaryIO) -> Seen | Refused:
    order: Order = receive(hear)
    raise_open_files_limit()
    if order.trial.case.rtt_ns or order.trial.case.rate is not None:
        # Not always: timers without slack cost every command of a client with a timeout.
        be_punctual()
    if order.trial.pin is not None:
        os.sched_setaffinity(0, order.trial.pin)
    driver = make_driver(order.trial, order.endpoint, process=order.process)
    try:
        driver.prewarm()
    except Exception as error:  # noqa: BLE001 - of the client's making; nothing was measured yet
        return Refused(failure_kind(error).value, str(error))
    send(tell, Ready())
    start: Start = receive(hear)
    threading.Thread(target=_die_with_coordinator, args=(hear,), daemon=True).start()
    opens = start.at + order.trial.warmup_ns
    return Seen(driver.drive(Window(opens, opens + order.trial.duration_ns)))


def _die_with_coordinator(hear: BinaryIO) -> None:
    """Wait for the end of what the coordinator says, which is the end of the coordinator."""
    # Not through the buffer: its lock, held here, would abort the interpreter when it exits.
    os.read(hear.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
