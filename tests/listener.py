"""A listener of a test's own, which takes callers in until it is closed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Listener:
    """Hands every caller over, one at a time, in a thread that ends with it."""

    def __init__(self, listening: socket.socket, greet: Callable[[socket.socket], None]) -> None:
        self._listening = listening
        self._greet = greet
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        """Take no more; whoever was greeted stays."""
        # Closing alone does not wake who waits in accept.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            self._greet(caller)
