"""Which server a run gets: one of our own unless it named another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError, ServerError
from valkeybench.scenario.model import TlsVersion
from valkeybench.server.cluster import cluster_serving
from valkeybench.server.cluster_sampler import ClusterSampler
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.endpoint import endpoint_from_url
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.serving import Serving, TlsOffer
from valkeybench.server.topology import check_alone, find_nodes
from valkeybench.server.trusting import check_trust

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from valkeybench.scenario.model import ServerSettings
    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.watching import Watching

_USUAL_MAXCLIENTS = 10_000
_SPARE_CLIENTS = 16
"""Room for those who watch."""


@contextmanager
def open_watched(
    settings: ServerSettings, *, maxclients_needed: int, tls: Collection[bool]
) -> Iterator[tuple[Serving, Watching]]:
    """Give the server to measure, as `open_servers` does, and one who can read it.

    Raises what that raises, and what `watched` does.
    """
    with (
        open_servers(settings, maxclients_needed=maxclients_needed, tls=tls) as serving,
        watched(serving, cluster=settings.cluster) as found,
    ):
        yield found


@contextmanager
def watched(serving: Serving, *, cluster: bool) -> Iterator[tuple[Serving, Watching]]:
    """Give the ways to a server, or to all nodes of its cluster, and one who can read it.

    Raises ServerError when it cannot be used, ScenarioError when it is a cluster and was not
    said to be one, or the other way round.
    """
    if cluster:
        found = find_nodes(serving)
        with ClusterSampler(found.endpoint()) as cluster_sampler:
            yield found, cluster_sampler
        return
    endpoint = serving.endpoint()
    with ServerSampler(endpoint) as sampler:
        check_alone(endpoint, sampler)
        yield serving, sampler


def gone(endpoint: Endpoint, sampler: Watching) -> ServerError:
    """Give the error that says which server, or which node of a cluster, went away."""
    if sampler.replaced is not None:
        return sampler.replaced
    who = f"the server at {endpoint.address}"
    if endpoint.nodes:
        who = f"a node of the cluster at {endpoint.address}"
        try:
            sampler.read()
        except ServerError as error:
            who += f" ({error.message})"
    return ServerError(
        f"{who} went away during the run", remedy="what was measured until then is kept"
    )


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
    Raises ScenarioError for a URL that cannot be, or has not the ways asked for, and for
    certificates, keys and ciphers that cannot be used; ServerError when our own server does not
    start.
    """
    if settings.url is not None:
        yield _external(settings, tls)
        return
    if True in tls:
        check_trust(replace(settings.tls, certfile=None, ca_certs=None, ca_path=None, ca_data=None))
    maxclients = max(_USUAL_MAXCLIENTS, maxclients_needed + _SPARE_CLIENTS)
    serve = cluster_serving if settings.cluster else embedded_serving
    with serve(
        tls=(offer or _offer(settings)) if True in tls else None,
        username=settings.username,
        maxclients=maxclients,
        binary=settings.binary,
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
    if endpoint.tls:
        check_trust(endpoint.trust)
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
