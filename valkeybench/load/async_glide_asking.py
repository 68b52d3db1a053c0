"""valkey-glide in tasks: what `glide_asking` is for threads."""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import glide

from valkeybench.load.glide_settings import configuration, filled
from valkeybench.load.outside import OutsideView

if TYPE_CHECKING:
    from valkeybench.load.ledger import TaskLedger
    from valkeybench.plan.workload import Batch
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint


class AsyncGlideConnection:
    """The client, and so the connection, that the handlers of a process share."""

    max_connections = 1

    def __init__(self, case: Case, endpoint: Endpoint, ledger: TaskLedger) -> None:
        self.opening_ns = 0
        self._case, self._endpoint, self._ledger = case, endpoint, ledger
        self._client: Any = None

    @property
    def client(self) -> Any:
        """Give the client; it was opened before any handler asks."""
        return self._client

    async def get_connection(self) -> AsyncGlideConnection:
        """Open the connection; raises what valkey-glide raises."""
        glide.Logger.set_logger_config(glide.LogLevel.OFF)
        settings = configuration(glide, self._case, self._endpoint)
        self._client = await glide.GlideClient.create(settings)
        self._ledger.notes.connections += 1
        self._ledger.shared.opened()
        return self

    async def release(self, connection: Any) -> None:
        """Give nothing back: it is everybody's."""

    async def disconnect(self) -> None:
        """Close the connection."""
        await self._client.close()
        self._ledger.shared.closed()


class AsyncMultiplexed:
    """Asks over the connection all handlers share."""

    def __init__(self, connection: AsyncGlideConnection, case: Case, ledger: TaskLedger) -> None:
        self.lease = OutsideView()
        self._client, self._ledger = connection.client, ledger
        send = self._client.custom_command

        def ask(*command: str) -> Any:
            # No coroutine of its own: what is awaited is valkey-glide's.
            return send([*command])

        async def ask_from_afar(*command: str) -> Any:
            await ledger.travel()
            return await send([*command])

        self._is_afar = bool(case.rtt_ns)
        self.ask = ask_from_afar if case.rtt_ns else ask

    async def ask_batch(self, batch: Batch) -> Any:
        """Send a batch; raise what its first failed command raises."""
        begun = clock()
        together = filled(glide.Batch(is_atomic=batch.transaction), batch)
        self._ledger.notes.construct += clock() - begun
        self.lease.opened = True
        if self._is_afar:
            await self._ledger.travel()
        return await self._client.exec(together, raise_on_error=True)
