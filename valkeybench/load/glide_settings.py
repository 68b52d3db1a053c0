"""valkey-glide's configuration and batches, in the words its two packages have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.plan.workload import Batch
    from valkeybench.scenario.model import Case, TlsSettings
    from valkeybench.server.endpoint import Endpoint

_FOR_EVER_MS = (1 << 32) - 1
"""The longest timeout it can be told, 49 days; with none it would take a default of its own."""

_MOST_UNDER_WAY = 1000
"""What it allows unless told otherwise; handlers that gave up may leave a request behind each."""


def configuration(of: Any, case: Case, endpoint: Endpoint) -> Any:
    """Give the configuration of a client of `of`, glide or glide_sync; raises OSError for files.

    Its default of 250 ms for a reply is not left to it, nor its limit of requests under way.
    """
    place = (
        of.NodeAddress(endpoint.host, endpoint.port)
        if endpoint.path is None
        else of.NodeAddress(unix_socket_path=endpoint.path)
    )
    password = "" if endpoint.password is None else endpoint.password.reveal()
    known = password or endpoint.username
    return of.GlideClientConfiguration(
        [place],
        use_tls=endpoint.tls,
        credentials=of.ServerCredentials(password, endpoint.username) if known else None,
        request_timeout=_in_milliseconds(case.socket_timeout_ns),
        database_id=endpoint.db,
        client_name=endpoint.client_name,
        protocol=of.ProtocolVersion[f"RESP{case.protocol}"],
        inflight_requests_limit=max(_MOST_UNDER_WAY, 2 * case.concurrency),
        advanced_config=of.AdvancedGlideClientConfiguration(
            connection_timeout=_in_milliseconds(case.connect_timeout_ns),
            tls_config=_trust(of, endpoint.trust) if endpoint.tls else None,
        ),
    )


def filled(together: Any, batch: Batch) -> Any:
    """Give one of valkey-glide's batches with the commands of ours in it."""
    for words in batch.commands:
        together.custom_command([*words])
    return together


def _trust(of: Any, trust: TlsSettings) -> Any:
    authorities = trust.ca_data.encode() if trust.ca_data else None
    if trust.ca_certs:
        authorities = Path(trust.ca_certs).read_bytes()
    return of.TlsAdvancedConfiguration(
        use_insecure_tls=not trust.verify,
        root_pem_cacerts=authorities if trust.verify else None,
        client_cert_path=trust.certfile,
        client_key_path=trust.keyfile or trust.certfile,
    )


def _in_milliseconds(nanoseconds: int | None) -> int:
    """Say a timeout in its unit, rounded up."""
    return _FOR_EVER_MS if nanoseconds is None else -(-nanoseconds // MILLISECOND)
