"""A run gets a server of its own unless it names another."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.server.processes import client, traces_of
from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import CertReqs, KeyType, ServerSettings, TlsSettings, TlsVersion
from valkeybench.scenario.secret import Secret
from valkeybench.server.endpoint import Provider
from valkeybench.server.session import open_servers

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint


def test_without_a_url_a_private_server_runs_as_long_as_needed() -> None:
    """It listens to the settings that make sense for it, and has a password of its own."""
    settings = ServerSettings(db=3, client_name="me", username="joe", password=Secret("theirs"))
    with open_servers(settings, maxclients_needed=50) as serving:
        endpoint = serving.endpoint()
        traces = traces_of(endpoint)
        assert (Provider.EMBEDDED, 3, "me") == (
            endpoint.provider,
            endpoint.db,
            endpoint.client_name,
        )
        assert Secret("theirs") != endpoint.password
        with closing(client(endpoint)) as asking:
            assert "joe" == asking.acl_whoami()
            assert ("me", 3) == (asking.client_getname(), int(asking.client_info()["db"]))
            assert 10_000 == asking.info("clients")["maxclients"]
    assert [] == traces.left


def test_a_private_server_takes_all_we_need_and_some_more() -> None:
    """The load's connections are not all: we look on, too."""
    with (
        open_servers(ServerSettings(), maxclients_needed=10_500) as serving,
        closing(client(serving.endpoint())) as asking,
    ):
        assert 10_500 < int(str(asking.config_get("maxclients")["maxclients"]))


def test_with_a_url_nothing_is_started_and_nobody_is_asked() -> None:
    """The endpoint is the URL's, reachable or not."""
    settings = ServerSettings(url="valkey://no.such.invalid:1/2")
    with open_servers(settings, maxclients_needed=1) as serving:
        endpoint = serving.endpoint()
        assert "valkey://no.such.invalid:1/2" == endpoint.address
        assert (Provider.EXTERNAL, None) == (endpoint.provider, endpoint.pid)


def test_a_bad_url_is_refused_on_entering() -> None:
    """The scenario is wrong before anything begins."""
    with (
        pytest.raises(ScenarioError),
        open_servers(ServerSettings(url="nonsense"), maxclients_needed=1),
    ):
        pytest.fail("it was opened")


# --- TLS ---


def test_a_private_server_has_the_ways_the_load_goes() -> None:
    """Plain alone, or TLS beside it; db and client name hold for both."""
    settings = ServerSettings(db=2, client_name="me")
    with open_servers(settings, maxclients_needed=1) as serving:
        assert None is serving.tls
    with open_servers(settings, maxclients_needed=1, tls=(False, True)) as serving:
        for tls in (False, True):
            with closing(client(serving.endpoint(tls=tls))) as asking:
                assert ("me", 2) == (asking.client_getname(), int(asking.client_info()["db"]))


def test_a_private_servers_tls_is_what_the_settings_say() -> None:
    """Key type, version and client certificates; our trust but for whom we trust."""
    trust = TlsSettings(
        ca_certs="theirs.pem",
        ca_path="theirs",
        cert_reqs=CertReqs.NONE,
        min_version="1.2",
        ciphers="AES",
    )
    settings = ServerSettings(
        tls=trust, key_type=KeyType.RSA, tls_version=TlsVersion.V1_2, mutual_tls=True
    )
    with open_servers(settings, maxclients_needed=1, tls=[True]) as serving:
        endpoint = serving.endpoint(tls=True)
        ours = endpoint.trust
        assert (False, "1.2", "AES") == (ours.verify, ours.min_version, ours.ciphers)
        assert None is ours.ca_path
        assert ours.certfile
        assert (True, "TLSv1.2") == look(endpoint)


def look(endpoint: Endpoint) -> tuple[bool, str | None]:
    """Tell whether the server's key is of type RSA, and the version of TLS spoken."""
    context = ssl.create_default_context(cafile=endpoint.trust.ca_certs)
    context.load_cert_chain(endpoint.trust.certfile or "", endpoint.trust.keyfile)
    with (
        socket.create_connection((endpoint.host, endpoint.port), 10) as plain,
        context.wrap_socket(plain, server_hostname=endpoint.host) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
        assert shown is not None
        key = x509.load_der_x509_certificate(shown).public_key()
        return isinstance(key, RSAPublicKey), secured.version()


@pytest.mark.parametrize(
    ("url", "tls", "address"),
    [
        ("valkey://x.invalid", [False], "valkey://x.invalid:6379/0"),
        ("valkeys://x.invalid", [True], "valkeys://x.invalid:6379/0"),
        ("valkeys://x.invalid", [], "valkeys://x.invalid:6379/0"),
        ("valkey://x.invalid", [], "valkey://x.invalid:6379/0"),
    ],
)
def test_a_url_names_the_one_way(url: str, tls: list[bool], address: str) -> None:
    """Asked for openly or not."""
    with open_servers(ServerSettings(url=url), maxclients_needed=1, tls=tls) as serving:
        assert address == serving.endpoint().address
        assert serving.endpoint() in (serving.plain, serving.tls)
        assert (None, None) == (serving.tls_provider, serving.binary)


@pytest.mark.parametrize(
    ("url", "tls", "reason", "remedy"),
    [
        ("valkey://x.invalid", (False, True), "cannot both", "two runs"),
        ("valkeys://x.invalid", (True, False), "cannot both", "two runs"),
        ("valkey://x.invalid", (True,), "without it", "valkeys://"),
        ("unix:///run/x.sock", (True,), "without it", "valkeys://"),
        ("valkeys://x.invalid", (False,), "over it", "valkey://"),
    ],
)
def test_a_way_the_url_does_not_name_is_refused(
    url: str, tls: tuple[bool, ...], reason: str, remedy: str
) -> None:
    """Before anybody is contacted, with what to do."""
    with (
        pytest.raises(ScenarioError, match=reason) as refused,
        open_servers(ServerSettings(url=url), maxclients_needed=1, tls=tls),
    ):
        pytest.fail("it was opened")
    assert remedy in str(refused.value)
