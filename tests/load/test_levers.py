"""Every lever reaches redis-py: from a scenario file, and from a flag or the URL."""

from __future__ import annotations

import inspect
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.load.fakes import fake_server
from tests.load.loads import drive_here, few_handlers, make_trial
from valkeybench.load.asking import client_settings, make_pool
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.scenario.model import Pool, TlsSettings
from valkeybench.scenario.reader import parse_toml, read_scenario
from valkeybench.scenario.secret import Secret
from valkeybench.scenario.tls_fields import OCSP_KEYS
from valkeybench.server.endpoint import endpoint_from_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PEM = trustme.CA().cert_pem.bytes().decode()
PLAIN, TLS = "valkey://h:1", "valkeys://h:1"
WORD = "s3cret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One lever: two ways to set it, and where a connection of redis-py keeps it."""

    toml: str
    flags: Mapping[str, str | list[str]]
    attribute: str
    value: Any
    url: str = PLAIN
    variables: Mapping[str, str] = field(default_factory=dict)


LEVERS = {
    "host": Lever(toml="host = 'x'", flags={"url": "valkey://x"}, attribute="host", value="x"),
    "port": Lever(
        toml="host = 'x'\nport = 7", flags={"url": "valkey://x:7"}, attribute="port", value=7
    ),
    "db": Lever(toml="db = 3", flags={"db": "3"}, attribute="db", value=3),
    "db in the URL": Lever(
        toml="url = 'valkey://h/3'", flags={"url": "unix:///s?db=3"}, attribute="db", value=3
    ),
    "username": Lever(
        toml="username = 'me'", flags={"user": "me"}, attribute="username", value="me"
    ),
    "username in the URL": Lever(
        toml="url = 'valkey://me@h'",
        flags={"url": "valkey://me:pw@h"},
        attribute="username",
        value="me",
    ),
    "password": Lever(
        toml=f"password = '{WORD}'",
        flags={"password_file": "word"},
        attribute="password",
        value=WORD,
    ),
    "password elsewhere": Lever(
        toml="password_file = 'word'",
        flags={},
        variables={"VALKEYBENCH_PASSWORD": WORD},
        attribute="password",
        value=WORD,
    ),
    "socket_timeout": Lever(
        toml="[client]\nsocket_timeout = '250ms'",
        flags={"socket_timeout": "250ms"},
        attribute="socket_timeout",
        value=0.25,
    ),
    "socket_connect_timeout": Lever(
        toml="[client]\nsocket_connect_timeout = '2s'",
        flags={"connect_timeout": "2s"},
        attribute="socket_connect_timeout",
        value=2.0,
    ),
    "decode_responses": Lever(
        toml="[client]\ndecode_responses = true",
        flags={"decode_responses": "true"},
        attribute="encoder.decode_responses",
        value=True,
    ),
    "ssl_certfile": Lever(
        url=TLS,
        toml="ssl_certfile = 'file'",
        flags={"cert": "file"},
        attribute="certfile",
        value="file",
    ),
    "ssl_keyfile": Lever(
        url=TLS,
        toml="ssl_keyfile = 'word'\nssl_certfile = 'file'",
        flags={"key": "word", "cert": "file"},
        attribute="keyfile",
        value="word",
    ),
    "ssl_password": Lever(
        url=TLS,
        toml="ssl_password_file = 'word'",
        flags={"key_password_file": "word"},
        attribute="certificate_password",
        value=WORD,
    ),
    "ssl_password in the environment": Lever(
        url=TLS,
        toml="ssl_password_file = 'word'",
        flags={},
        variables={"VALKEYBENCH_KEY_PASSWORD": WORD},
        attribute="certificate_password",
        value=WORD,
    ),
    "ssl_ca_certs": Lever(
        url=TLS,
        toml="ssl_ca_certs = 'file'",
        flags={"cacert": "file"},
        attribute="ca_certs",
        value="file",
    ),
    "ssl_ca_path": Lever(
        url=TLS, toml="ssl_ca_path = 'd'", flags={"capath": "d"}, attribute="ca_path", value="d"
    ),
    "ssl_ca_data": Lever(
        url=TLS,
        toml=f'ssl_ca_data = """{PEM}"""',
        flags={"cadata": PEM},
        attribute="ca_data",
        value=PEM.strip(),
    ),
    "ssl_cert_reqs": Lever(
        url=TLS,
        toml="ssl_cert_reqs = 'optional'",
        flags={"cert_reqs": "optional"},
        attribute="cert_reqs",
        value=ssl.CERT_OPTIONAL,
    ),
    "insecure": Lever(
        url=TLS,
        toml="insecure = true",
        flags={"insecure": "true"},
        attribute="cert_reqs",
        value=ssl.CERT_NONE,
    ),
    "ssl_check_hostname": Lever(
        url=TLS,
        toml="ssl_check_hostname = false",
        flags={"check_host": "false"},
        attribute="check_hostname",
        value=False,
    ),
    "ssl_include_verify_flags": Lever(
        url=TLS,
        toml="ssl_include_verify_flags = ['VERIFY_CRL_CHECK_LEAF', 'verify_x509_strict']",
        flags={"verify_flag": ["VERIFY_CRL_CHECK_LEAF", "VERIFY_X509_STRICT"]},
        attribute="ssl_include_verify_flags",
        value=[ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF, ssl.VerifyFlags.VERIFY_X509_STRICT],
    ),
    "ssl_exclude_verify_flags": Lever(
        url=TLS,
        toml="ssl_exclude_verify_flags = 'VERIFY_X509_STRICT'",
        flags={"verify_flag_off": ["VERIFY_X509_STRICT"]},
        attribute="ssl_exclude_verify_flags",
        value=[ssl.VerifyFlags.VERIFY_X509_STRICT],
    ),
    "ssl_min_version": Lever(
        url=TLS,
        toml="ssl_min_version = '1.3'",
        flags={"tls_min_version": "1.3"},
        attribute="ssl_min_version",
        value=ssl.TLSVersion.TLSv1_3,
    ),
    "ssl_ciphers": Lever(
        url=TLS,
        toml="ssl_ciphers = 'AES'",
        flags={"ciphers": "AES"},
        attribute="ssl_ciphers",
        value="AES",
    ),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the files that levers name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word").write_text(f"{WORD}\n", encoding="utf-8")
    (tmp_path / "file").touch()
    (tmp_path / "d").mkdir()


def read(lever: Lever, way: str) -> tuple[Any, Any]:
    """Read a scenario in which the lever is set that way; give its server and its first case."""
    where = "" if "host =" in lever.toml or "url =" in lever.toml else f"url = '{lever.url}'\n"
    text = lever.toml if lever.toml.startswith("[") else ""
    server = "" if text else lever.toml
    toml = f"[server]\n{where}{server}\n{text}"
    if way == "flags":
        toml = ""
    scenario = read_scenario(
        parse_toml(toml, source="s.toml"),
        flags={} if way == "file" else {"url": lever.url, **lever.flags},
        environment=lever.variables if way == "flags" else {},
    )
    return endpoint_from_url(scenario.server), next(iter(scenario.cases()))


@pytest.mark.parametrize("way", ["file", "flags"])
@pytest.mark.parametrize("name", LEVERS)
def test_every_lever_reaches_the_connections_of_a_pool(name: str, way: str) -> None:
    """What a connection of redis-py holds is what was set, whichever way it was set."""
    lever = LEVERS[name]
    endpoint, case = read(lever, way)
    pool = make_pool(replace(case, pool=Pool.BLOCKING), endpoint, Ledger(Shared()))
    found: Any = pool.make_connection()
    for attribute in lever.attribute.split("."):
        found = getattr(found, attribute)

    assert lever.value == (found.strip() if isinstance(found, str) else found)


@pytest.mark.parametrize("name", LEVERS)
def test_every_lever_reaches_a_client_without_a_pool(name: str) -> None:
    """A client that is made for one command is told the same."""
    lever = LEVERS[name]
    endpoint, case = read(lever, "file")
    settings = client_settings(case, endpoint, Shared())
    if endpoint.tls:
        settings["ssl"] = True
    client = redis.Redis(**settings)
    found: Any = client.connection_pool.make_connection()
    for attribute in lever.attribute.split("."):
        found = getattr(found, attribute)

    assert lever.value == (found.strip() if isinstance(found, str) else found)


@pytest.mark.parametrize("way", ["file", "flags"])
def test_the_size_of_a_pool_reaches_it(way: str) -> None:
    """`max_connections` is what the pool of redis-py was made with."""
    lever = Lever(
        toml="[client]\nmax_connections = 7",
        flags={"max_conn": "7"},
        attribute="max_connections",
        value=7,
    )
    endpoint, case = read(lever, way)
    pooled = replace(case, pool=Pool.RAISING, max_connections=7)

    assert 7 == make_pool(pooled, endpoint, Ledger(Shared())).max_connections


def test_no_lever_of_redis_py_s_tls_is_left_to_its_default() -> None:
    """All it takes is set, but for OCSP, which is refused."""
    every = {
        name
        for name in inspect.signature(redis.SSLConnection.__init__).parameters
        if name.startswith("ssl_")
    }
    kwargs = endpoint_from_url(read_scenario({}, flags={"url": TLS}).server).connection_kwargs()

    assert every - OCSP_KEYS == {name for name in kwargs if name.startswith("ssl_")}


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_load_proves_who_it_is_and_trusts_what_it_was_given(tmp_path: Path, pool: Pool) -> None:
    """An encrypted key, opened by its password, and a CA that is in no file."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    us = authority.issue_cert("us.example")
    key = load_pem_private_key(us.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(WORD.encode())
    )
    (tmp_path / "us.key").write_bytes(key)
    us.cert_chain_pems[0].write_to_path(str(tmp_path / "us.pem"))
    trust = TlsSettings(
        ca_data=authority.cert_pem.bytes().decode(),
        certfile=str(tmp_path / "us.pem"),
        keyfile=str(tmp_path / "us.key"),
        key_password=Secret(WORD),
    )
    with fake_server(tls=context) as server:
        trial = make_trial(few_handlers(pool=pool))
        seen = drive_here(trial, replace(server.endpoint, trust=trust))

    assert {} == seen.failures
    assert 0 < seen.completed
