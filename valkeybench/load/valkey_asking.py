"""valkey-py as a library to ask with: its settings, where they differ from redis-py's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import valkey
from valkey.backoff import ExponentialBackoff, NoBackoff
from valkey.retry import Retry

from valkeybench.load.asking import BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, Library, in_seconds
from valkeybench.load.connections import FairQueue
from valkeybench.load.valkey_connections import (
    DelayedConnection,
    DelayedTlsConnection,
    DelayedUnixConnection,
    RaisingPool,
    TimedConnection,
    TimedTlsConnection,
    TimedUnixConnection,
    ValkeyLease,
    WaitingPool,
)
from valkeybench.scenario.model import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.load.ledger import Shared
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint


def valkey_py() -> Library:
    """Give valkey-py."""
    return Library(
        client=valkey.Valkey,
        lease=ValkeyLease,
        settings=client_settings,
        connection_class=connection_class,
        raising_pool=RaisingPool,
        waiting_pool=WaitingPool,
        fair_pool=partial(WaitingPool, queue_class=FairQueue),
    )


def client_settings(case: Case, endpoint: Endpoint, shared: Shared) -> dict[str, Any]:
    """Give valkey-py's keyword arguments for a case, nothing left to its defaults."""
    settings = {
        **endpoint.connection_kwargs(),
        "socket_timeout": in_seconds(case.socket_timeout_ns),
        "socket_connect_timeout": in_seconds(case.connect_timeout_ns),
        "decode_responses": case.decode_responses,
        "protocol": case.protocol,
        "retry": Retry(NoBackoff(), 0),
    }
    # It has no such lever; that nobody has asked for it was seen before the load.
    for unknown in ("ssl_include_verify_flags", "ssl_exclude_verify_flags"):
        settings.pop(unknown, None)
    if endpoint.path is not None:
        del settings["socket_connect_timeout"]
    if case.retries:
        settings["retry"] = CountingRetry(case.retries, shared)
        # Without these its client tries nothing again, whatever the retry says.
        settings["retry_on_error"] = [valkey.ConnectionError, valkey.TimeoutError]
    if case.handshake is Handshake.MINIMAL:
        settings |= {"lib_name": None, "lib_version": None}
    return settings


def connection_class(endpoint: Endpoint, *, rtt_ns: int = 0) -> type[Any]:
    """Choose the timed connection that reaches the endpoint, over an emulated distance or not."""
    if endpoint.path is not None:
        return DelayedUnixConnection if rtt_ns else TimedUnixConnection
    if endpoint.tls:
        return DelayedTlsConnection if rtt_ns else TimedTlsConnection
    return DelayedConnection if rtt_ns else TimedConnection


class CountingRetry(Retry):
    """valkey-py's retry with a count."""

    def __init__(self, retries: int, shared: Shared) -> None:
        backoff = ExponentialBackoff(base=BACKOFF_BASE_SECONDS, cap=BACKOFF_CAP_SECONDS)
        super().__init__(backoff, retries)
        self._shared = shared

    def __deepcopy__(self, memo: dict[int, Any]) -> CountingRetry:
        """Stay one: each connection copies its retry, and the count is common to all."""
        return self

    def call_with_retry(self, do: Callable[[], Any], fail: Callable[[Exception], Any]) -> Any:
        """Try, and count every time it is tried again."""
        counted = self._shared.counting(fail, self._retries)
        return super().call_with_retry(do, counted)
