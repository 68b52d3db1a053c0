"""URLs are read as written, refused with a reason, and never give their password away."""

from __future__ import annotations

import ssl
import traceback
from urllib.parse import quote

import pytest
import redis
from hypothesis import example, given
from hypothesis import strategies as st

from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import CertReqs, ServerSettings, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.endpoint import Endpoint, Provider, endpoint_from_url

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def read(url: str) -> Endpoint:
    """Read a URL with nothing else set."""
    return endpoint_from_url(ServerSettings(url=url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("valkey://127.0.0.1:6379/0", "valkey://127.0.0.1:6379/0"),
        ("valkey://cache.example", "valkey://cache.example:6379/0"),
        ("VALKEY://cache.example:/", "valkey://cache.example:6379/0"),
        ("redis://joe:pw@cache.example:7000/3", "valkey://cache.example:7000/3"),
        ("rediss://cache.example", "valkeys://cache.example:6379/0"),
        ("valkeys://[::1]:6380/2", "valkeys://[::1]:6380/2"),
        ("valkey://%48", "valkey://h:6379/0"),
        ("valkey://[fe80::1%25eth0]", "valkey://[fe80::1%25eth0]:6379/0"),
        ("valkey://cache.example?db=4", "valkey://cache.example:6379/4"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://joe:pw@/run/x.sock?db=2", "unix:///run/x.sock?db=2"),
        ("unix:///run/my%20server.sock", "unix:///run/my%20server.sock"),
    ],
)
def test_the_address_is_the_url_without_the_user(url: str, expected: str) -> None:
    """Every scheme has one spelling, defaults are filled in, and the address reads the same."""
    endpoint = read(url)
    assert expected == endpoint.address
    assert expected == read(endpoint.address).address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "scheme"),
        ("cache.example:6379", "scheme"),
        ("http://cache.example", "scheme"),
        ("valkey:cache.example", "scheme"),
        ("valkey://", "no host"),
        ("valkey:///2", "no host"),
        ("valkey://:6380", "no host"),
        ("valkey://user:pw@", "no host"),
        ("valkey://cache.example:port", "port"),
        ("valkey://cache.example:0", "port"),
        ("valkey://cache.example:65536", "port"),
        ("valkey://::1:6379", "colon"),
        ("unix:x://:pw@h", "scheme"),
        ("unix:s://:c4n4ry@[::1]:1]:7/0", "scheme"),
        ("valkey://[fe80::1%25e}th0]:1", "no name of a network interface"),
        ("valkey://[fe80::1%25eth@0]:1", "cannot be one"),
        ("valkey://h%2Fx", "cannot be one"),
        ("valkey://h%25x", "no name of a network interface"),
        ("valkey://[::1", "cannot be read"),
        ("valkey://cache.example/two", "database number"),
        ("valkey://cache.example/-1", "database number"),
        ("valkey://cache.example/٣", "database number"),
        ("valkey://cache.example/1/2", "database number"),
        ("valkey://cache.example?db=x", "database number"),
        ("valkey://cache.example/1?db=1", "twice"),
        ("valkey://cache.example?ssl_cert_reqs=none", "options"),
        ("valkey://cache.example?db=1&db=2", "options"),
        ("valkey://cache.example#x", "after #"),
        ("valkey://:p#w@cache.example", "after #"),
        ("valkey://:p/w@cache.example", "no host"),
        ("valkey://joe:p/w@cache.example", "port"),
        ("valkey://cache.example\n", "blank"),
        ("valkey://cache example", "blank"),
        ("valkey://:%ff@cache.example", "UTF-8"),
        ("unix://run/x.sock", "a host before"),
        ("unix://", "no socket"),
        ("unix:///", "no socket"),
    ],
)
def test_a_bad_url_is_refused_with_reason_and_remedy(url: str, reason: str) -> None:
    """One problem at --url, saying what is wrong and what to write instead."""
    with pytest.raises(ScenarioError) as refused:
        read(url)
    [problem] = refused.value.problems
    assert "--url" == problem.place
    assert reason in problem.reason
    assert problem.remedy


def test_the_url_goes_before_the_other_settings() -> None:
    """User, password and database of the URL win over the same settings."""
    settings = ServerSettings(
        url="valkey://joe:theirs@h/3", db=7, username="ann", password=Secret("ours")
    )
    endpoint = endpoint_from_url(settings)
    assert ("joe", Secret("theirs"), 3) == (endpoint.username, endpoint.password, endpoint.db)


@pytest.mark.parametrize("url", ["valkey://h", "valkey://@h", "valkey://:@h", "unix:///s"])
def test_the_settings_fill_what_the_url_leaves_out(url: str) -> None:
    """A URL without user, password or database takes those of the settings."""
    trust = TlsSettings(ca_certs="ca.pem")
    settings = ServerSettings(
        url=url, db=7, username="ann", password=Secret("ours"), client_name="me", tls=trust
    )
    endpoint = endpoint_from_url(settings)
    assert ("ann", Secret("ours"), 7) == (endpoint.username, endpoint.password, endpoint.db)
    assert ("me", trust, Provider.EXTERNAL) == (
        endpoint.client_name,
        endpoint.trust,
        endpoint.provider,
    )


def test_a_user_alone_takes_the_password_of_the_settings() -> None:
    """`valkey://joe@host` with a password file is joe with that password."""
    endpoint = endpoint_from_url(ServerSettings(url="valkey://joe@h", password=Secret("x")))
    assert ("joe", Secret("x")) == (endpoint.username, endpoint.password)


@given(words, words)
def test_user_and_password_are_percent_decoded_and_never_shown(user: str, word: str) -> None:
    """Any text can be a password when encoded; neither address nor repr has it."""
    password = f"s3cr3t-{word}"
    endpoint = read(f"valkey://{quote(user, safe='')}:{quote(password, safe='')}@h:1/2")
    assert (user, Secret(password)) == (endpoint.username, endpoint.password)
    assert "valkey://h:1/2" == endpoint.address
    assert "s3cr3t" not in repr(endpoint)


@given(
    words,
    st.sampled_from(
        [
            "valkey://:{}@h",
            "valkey://{}:x@h:port",
            "valkey://:{}@[h",
            "valkey://:{}@h/two",
            "valkey://h:{}",
            "valkey://h/{}",
            "valkey://h?{}",
            "valkey://h?db={}",
            "valkey://h#{}",
            "unix://:{}@h/x",
            "unix://{}",
            "{}://h",
            "{}",
        ]
    ),
)
# What urlsplit itself complains about while quoting it: a sign that decomposes to a slash.
@example("\N{CARE OF}", "valkey://:{}@h")
@example("/", "valkey://:{}@h")
@example("%ff", "valkey://:{}@h")
def test_an_error_never_repeats_the_url(word: str, template: str) -> None:
    """A password that should have been encoded is not shown, wherever it ended up."""
    url = template.format(f"s3cr3t{word}s3cr3t")
    try:
        shown = read(url).address if template == "valkey://:{}@h" else repr(read(url).password)
    except ScenarioError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
    assert "s3cr3t" not in shown


def test_kwargs_for_plain_tcp_locate_and_authenticate() -> None:
    """A plain endpoint says where and as whom, and nothing about TLS."""
    settings = ServerSettings(url="valkey://joe:pw@h:7000/3", client_name="me")
    assert {
        "host": "h",
        "port": 7000,
        "db": 3,
        "username": "joe",
        "password": "pw",
        "client_name": "me",
    } == endpoint_from_url(settings).connection_kwargs()


def test_kwargs_for_a_unix_socket_have_no_host() -> None:
    """A socket is located by its path alone."""
    assert {
        "path": "/run/x.sock",
        "db": 0,
        "username": None,
        "password": None,
        "client_name": None,
    } == read("unix:///run/x.sock").connection_kwargs()


def test_kwargs_for_tls_say_how_to_trust() -> None:
    """Every TLS setting arrives under redis-py's name for it."""
    trust = TlsSettings(
        ca_certs="ca.pem",
        ca_path="cas",
        ca_data="pem",
        include_verify_flags=("VERIFY_CRL_CHECK_LEAF",),
        exclude_verify_flags=("VERIFY_X509_STRICT", "VERIFY_X509_PARTIAL_CHAIN"),
        certfile="me.pem",
        keyfile="me.key",
        key_password=Secret("kp"),
        min_version="1.3",
        ciphers="ALL",
    )
    kwargs = endpoint_from_url(ServerSettings(url="valkeys://h", tls=trust)).connection_kwargs()
    assert {
        "ssl_ca_certs": "ca.pem",
        "ssl_ca_path": "cas",
        "ssl_ca_data": "pem",
        "ssl_include_verify_flags": [ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF],
        "ssl_exclude_verify_flags": [
            ssl.VerifyFlags.VERIFY_X509_STRICT,
            ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN,
        ],
        "ssl_certfile": "me.pem",
        "ssl_keyfile": "me.key",
        "ssl_password": "kp",
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_3,
        "ssl_ciphers": "ALL",
    } == {name: value for name, value in kwargs.items() if name.startswith("ssl_")}


@pytest.mark.parametrize(
    ("trust", "expected"),
    [
        (TlsSettings(cert_reqs=CertReqs.NONE), ("none", False)),
        (TlsSettings(check_hostname=False), ("required", False)),
    ],
)
def test_less_trust_is_asked_for_in_full(trust: TlsSettings, expected: tuple[str, bool]) -> None:
    """Not verifying means not checking the name either; the reverse does not hold."""
    kwargs = Endpoint(host="h", port=1, tls=True, trust=trust).connection_kwargs()
    assert expected == (kwargs["ssl_cert_reqs"], kwargs["ssl_check_hostname"])


@pytest.mark.parametrize("name", ["1.2", "TLSv1.2", "TLSv1_2", "tls 1.2"])
def test_tls_versions_have_several_spellings(name: str) -> None:
    """The usual ways to write a TLS version mean the same."""
    endpoint = Endpoint(host="h", port=1, tls=True, trust=TlsSettings(min_version=name))
    assert ssl.TLSVersion.TLSv1_2 == endpoint.connection_kwargs()["ssl_min_version"]


def test_an_unknown_tls_version_is_refused() -> None:
    """What would silently be another version is an error with the place it comes from."""
    endpoint = Endpoint(host="h", port=1, tls=True, trust=TlsSettings(min_version="1.4"))
    with pytest.raises(ScenarioError, match=r"min_version: .*1\.4"):
        endpoint.connection_kwargs()


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        (Endpoint(host="h", port=1), redis.Connection),
        (Endpoint(host="h", port=1, tls=True), redis.SSLConnection),
        (Endpoint(path="/s"), redis.UnixDomainSocketConnection),
    ],
)
def test_redis_py_knows_every_word_of_it(endpoint: Endpoint, kind: type[redis.Connection]) -> None:
    """The connection class for an endpoint takes its kwargs as they are."""
    connection = kind(**endpoint.connection_kwargs())
    assert endpoint.db == connection.db
