"""Why a pool could not be filled before the load, in words that help.

The server has been asked over the same transport before: what is wrong now is that these are
more connections, unless its answer says otherwise.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from valkeybench.load.failures import causes, failure_kind
from valkeybench.load.talk import Refused
from valkeybench.measurement.metrics import FailureKind
from valkeybench.server.distrust import tls_trouble
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

_LOOK_NS = 2 * SECOND
_FEWER = "ask for fewer connections (--max-conn, --processes)"
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)
"""What the system says when the other side ends a connection."""
_WAITS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""No trouble: what a connection was doing when the trouble came."""


def refused(error: Exception, endpoint: Endpoint, *, opened: int, wanted: int | None) -> Refused:
    """Say why a connection could not be opened after so many had been, of so many wanted."""
    kind = failure_kind(error)
    which = f"connection {opened + 1}" + (f" of {wanted}" if wanted and opened < wanted else "")
    if kind is FailureKind.MAX_CLIENTS:
        return Refused(
            f"the server has as many clients as it takes (maxclients), and refused {which}",
            f"{_FEWER}, or raise maxclients on the server",
        )
    if kind in (FailureKind.TLS, FailureKind.RESET):
        broken = next(
            (e for e in causes(error) if isinstance(e, ssl.SSLError) and not isinstance(e, _WAITS)),
            None,
        )
        if broken is None or isinstance(broken, _HUNG_UP):
            when = " while TLS was negotiated" if endpoint.tls else ""
            return Refused(
                f"the server closed {which}{when}: it may have all the clients it takes "
                "(maxclients)",
                f"{_FEWER}, or raise maxclients on the server; its log says why",
            )
        reason, remedy = tls_trouble(broken, endpoint, _LOOK_NS)
        return Refused(endpoint.masked(f"{which}: {reason}"), remedy)
    return Refused(
        endpoint.masked(f"{which}: {error} ({kind})"),
        f"{_FEWER}; `valkeybench doctor` shows what is refused",
    )
