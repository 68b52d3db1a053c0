"""valkey-glide in threads: one connection for all handlers, which only its own core sees.

It has no pool to time and opens its connection out of sight. What a handler can note of a
command is when it began and when it had the reply: all between belongs to `command`.
"""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import glide_sync

from valkeybench.load.glide_settings import configuration, filled
from valkeybench.load.outside import OutsideView

if TYPE_CHECKING:
    from valkeybench.load.ledger import Ledger
    from valkeybench.plan.workload import Batch
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint


class GlideConnection:
    """The client, and so the connection, that the handlers of a process share.

    It stands where other clients have their pool of several.
    """

    max_connections = 1

    def __init__(self, case: Case, endpoint: Endpoint, ledger: Ledger) -> None:
        self.opening_ns = 0
        self._case, self._endpoint, self._ledger = case, endpoint, ledger
        self._client: Any = None

    @property
    def client(self) -> Any:
        """Give the client; it was opened before any handler asks."""
        return self._client

    def get_connection(self) -> GlideConnection:
        """Open the connection; raises what valkey-glide raises."""
        glide_sync.Logger.set_logger_config(glide_sync.LogLevel.OFF)
        settings = configuration(glide_sync, self._case, self._endpoint)
        self._client = glide_sync.GlideClient.create(settings)
        self._ledger.notes.connections += 1
        self._ledger.shared.opened()
        return self

    def release(self, connection: Any) -> None:
        """Give nothing back: it is everybody's."""

    def disconnect(self) -> None:
        """Close the connection. Nobody may be in a command any more: its core would crash."""
        self._client.close()
        self._ledger.shared.closed()


class Multiplexed:
    """Asks over the connection all handlers share."""

    def __init__(self, connection: GlideConnection, case: Case, ledger: Ledger) -> None:
        self.lease = OutsideView()
        self._client, self._ledger = connection.client, ledger
        send = self._client.custom_command

        def ask(*command: str) -> Any:
            return send([*command])

        def ask_from_afar(*command: str) -> Any:
            ledger.travel()
            return send([*command])

        self._is_afar = bool(case.rtt_ns)
        self.ask = ask_from_afar if case.rtt_ns else ask

    def ask_batch(self, batch: Batch) -> Any:
        """Send a batch; raise what its first failed command raises."""
        begun = clock()
        together = filled(glide_sync.Batch(is_atomic=batch.transaction), batch)
        self._ledger.notes.construct += clock() - begun
        self.lease.opened = True
        if self._is_afar:
            self._ledger.travel()
        return self._client.exec(together, raise_on_error=True)
