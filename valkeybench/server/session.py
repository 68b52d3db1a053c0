"""Which server a run gets: one of our own unless it named another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import TlsVersion
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.endpoint import endpoint_from_url
from valkeybench.server.serving import Serving, TlsOffer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from valkeybench.scenario.model import ServerSettings
    from valkeybench.server.endpoint import Endpoint

_USUAL_MAXCLIENTS = 10_000
_SPARE_CLIENTS = 16
"""Room for those who watch."""


@contextmanager
def open_server(settings: ServerSettings, *, maxclients_needed: int) -> Iterator[Endpoint]:
    """Give the one way to the server that the URL says, or the plain one to a server of ours."""
    with open_servers(settings, maxclients_needed=maxclients_needed, tls=()) as serving:
        yield serving.endpoint()


@contextmanager
def open_servers(
    settings: ServerSettings,
    *,
    maxclients_needed: int,
    tls: Collection[bool] = (False,),
    offer: TlsOffer | None = None,
) -> Iterator[Serving]:
    """Give the server to measure: the one the URL names, else a private one while this lasts.

    `maxclients_needed` counts the connections the load will hold; only a server of our own is
    made to take that many. `tls` says which ways the load will go: plain, over TLS, or both
    (none: whichever there is);
    `offer` what TLS a server of our own shall speak. Such a server's user is the settings',
    its password is not; of their trust it keeps all but whom to trust and who we are.
    Somebody else's server has the one way its URL names. It is not contacted here.
    Raises ScenarioError for a URL that cannot be, or has not the ways asked for; ServerError
    when our own server does not start.
    """
    if settings.url is not None:
        yield _external(settings, tls)
        return
    maxclients = max(_USUAL_MAXCLIENTS, maxclients_needed + _SPARE_CLIENTS)
    with embedded_serving(
        tls=(offer or _offer(settings)) if True in tls else None,
        username=settings.username,
        maxclients=maxclients,
    ) as serving:
        yield replace(
            serving,
            plain=_ours(serving.plain, settings),
            tls=_ours(serving.tls, settings),
        )


def _offer(settings: ServerSettings) -> TlsOffer:
    """Say what TLS the settings want of a server of ours."""
    only = settings.tls_version
    return TlsOffer(
        key_type=settings.key_type,
        mutual=settings.mutual_tls,
        min_version=only or TlsVersion.V1_2,
        max_version=only or TlsVersion.V1_3,
    )


def _external(settings: ServerSettings, tls: Collection[bool]) -> Serving:
    """Give the one way there is to somebody else's server, unless another was asked for."""
    endpoint = endpoint_from_url(settings)
    if True in tls and False in tls:
        raise ScenarioError.one(
            "--tls",
            "a URL names one way to a server, so TLS and plain cannot both be measured over it",
            "make two runs, with valkey:// and with valkeys://, and compare them",
        )
    if True in tls and not endpoint.tls:
        raise ScenarioError.one(
            "--tls",
            "TLS is asked for, and the URL names a connection without it",
            "write valkeys:// in the URL, or leave TLS out",
        )
    if False in tls and endpoint.tls:
        raise ScenarioError.one(
            "--tls",
            "no TLS is asked for, and the URL names a connection over it",
            "write valkey:// in the URL, or leave --tls out",
        )
    return Serving(tls=endpoint) if endpoint.tls else Serving(plain=endpoint)


def _ours(endpoint: Endpoint | None, settings: ServerSettings) -> Endpoint | None:
    """Use a server of ours as the settings say."""
    if endpoint is None:
        return None
    trust = replace(
        settings.tls,
        ca_certs=endpoint.trust.ca_certs,
        ca_data=None,
        ca_path=None,
        certfile=endpoint.trust.certfile,
        keyfile=endpoint.trust.keyfile,
        key_password=None,
    )
    return replace(
        endpoint,
        db=settings.db,
        client_name=settings.client_name,
        trust=trust if endpoint.tls else endpoint.trust,
    )
