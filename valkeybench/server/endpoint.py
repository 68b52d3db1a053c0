"""Where a server is and who we are to it: reads the URL and never shows its password."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import TlsSettings
from valkeybench.scenario.secret import Secret

if TYPE_CHECKING:
    from valkeybench.scenario.model import ServerSettings

DEFAULT_PORT = 6379

_TLS_BY_SCHEME = {"valkey": False, "redis": False, "valkeys": True, "rediss": True, "unix": False}
_PLACE = "--url"
_ENCODE = (
    "a user name or password holding any of / ? # [ ] @ : % "
    "must be percent-encoded, or given by --password-file"
)


class Provider(StrEnum):
    """Who runs the server."""

    EMBEDDED = "embedded"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One server to send to, and as whom.

    Either `path` is set (a unix socket) or `host` and `port` are.
    """

    host: str = ""
    port: int = 0
    path: str | None = None
    tls: bool = False
    db: int = 0
    username: str | None = None
    password: Secret | None = None
    client_name: str | None = None
    trust: TlsSettings = field(default_factory=TlsSettings)
    provider: Provider = Provider.EXTERNAL
    pid: int | None = None
    """The server's process, when it is one of ours."""
    nodes: tuple[Node, ...] = ()
    """The primaries of the cluster this is the way into; none when it is no cluster."""

    @property
    def address(self) -> str:
        """Write where the server is, as a URL that can be shown: without user or password."""
        if self.path is not None:
            return f"unix://{quote(self.path)}" + (f"?db={self.db}" if self.db else "")
        host = f"[{quote(self.host, safe=':')}]" if ":" in self.host else self.host
        return f"valkey{'s' if self.tls else ''}://{host}:{self.port}/{self.db}"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine and reached without a network, every node of it.

        A tunnel's near end looks just like it.
        """
        here = self.path is not None or is_loopback(self.host)
        return here and all(node.endpoint.is_local for node in self.nodes)

    def masked(self, text: str) -> str:
        """Put stars for our password: servers and proxies quote what they do not know."""
        word = _revealed(self.password)
        return text.replace(word, "***") if word else text

    def connection_kwargs(self) -> dict[str, object]:
        """Say it in redis-py's words: where, as whom and how trusted, with the password in clear.

        What kind of connection it takes (plain, TLS, unix) is for the caller to choose.
        Raises ScenarioError when the least TLS version is none we know.
        """
        where: dict[str, object] = {"host": self.host, "port": self.port}
        if self.path is not None:
            where = {"path": self.path}
        who = {
            "db": self.db,
            "username": self.username,
            "password": _revealed(self.password),
            "client_name": self.client_name,
        }
        return where | who | (_tls_kwargs(self.trust) if self.tls else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One primary of a cluster, and how many of the slots it holds."""

    endpoint: Endpoint
    slots: int


def endpoint_from_url(settings: ServerSettings) -> Endpoint:
    """Read the URL; what it does not say (user, password, db) comes from the other settings.

    Knows valkey://, valkeys://, redis://, rediss:// and unix://. Raises ScenarioError saying
    what is wrong with the URL, without repeating any of it: it may hold a password anywhere.
    """
    parts = _split(settings.url or "")
    host, port = "", 0
    path = None
    if parts.scheme == "unix":
        path, db = _socket_path(parts), None
    else:
        host, port, db = _host(parts), _port(parts), _db(parts.path.removeprefix("/"))
    asked = _db_option(parts.query)
    if None not in (db, asked):
        raise _refuse("names the database twice", "say it once, as in valkey://host:6379/2")
    username, password = _user(parts)
    return Endpoint(
        host=host,
        port=port,
        path=path,
        tls=_TLS_BY_SCHEME[parts.scheme],
        db=next((number for number in (db, asked) if number is not None), settings.db),
        username=username or settings.username,
        password=Secret(password) if password else settings.password,
        client_name=settings.client_name,
        trust=settings.tls,
    )


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine and no other."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    # Not every Python knows that ::ffff:127.0.0.1 is 127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _tls_kwargs(trust: TlsSettings) -> dict[str, object]:
    return {
        "ssl_ca_certs": trust.ca_certs,
        "ssl_ca_data": trust.ca_data,
        "ssl_ca_path": trust.ca_path,
        "ssl_certfile": trust.certfile,
        "ssl_keyfile": trust.keyfile,
        "ssl_password": _revealed(trust.key_password),
        "ssl_cert_reqs": trust.cert_reqs.value,
        "ssl_include_verify_flags": [ssl.VerifyFlags[f] for f in trust.include_verify_flags],
        "ssl_exclude_verify_flags": [ssl.VerifyFlags[f] for f in trust.exclude_verify_flags],
        "ssl_check_hostname": trust.verify and trust.check_hostname,
        "ssl_min_version": _tls_version(trust.min_version),
        "ssl_ciphers": trust.ciphers,
    }


def _tls_version(name: str | None) -> ssl.TLSVersion | None:
    """Read `1.2`, `TLSv1.3` and the like."""
    if name is None:
        return None
    match re.sub(r"^tls\s*v?", "", name.strip().lower()).replace("_", "."):
        case "1.2":
            return ssl.TLSVersion.TLSv1_2
        case "1.3":
            return ssl.TLSVersion.TLSv1_3
    raise ScenarioError.one(
        "server.tls.min_version", f"{name!r} is no TLS version to ask for", "use 1.2 or 1.3"
    )


def _refuse(reason: str, remedy: str) -> ScenarioError:
    return ScenarioError.one(_PLACE, reason, remedy)


def _split(url: str) -> SplitResult:
    """Take the URL apart and refuse what no scheme of ours has."""
    # urlsplit drops some of these without a word, which makes it another URL.
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _refuse(
            "holds a blank or a control character", "write it without, or percent-encoded"
        )
    try:
        parts = urlsplit(url)
    except ValueError:
        # Its text may quote the password.
        raise _refuse(
            "cannot be read as a URL", f"write valkey://user@host:port/db; {_ENCODE}"
        ) from None
    # `unix:x://:password@h` would be a path, password and all.
    if parts.scheme not in _TLS_BY_SCHEME or not url[len(parts.scheme) :].startswith("://"):
        raise _refuse(
            "does not begin with a scheme known here",
            "begin with valkey://, valkeys://, redis://, rediss:// or unix://",
        )
    if "#" in url:
        raise _refuse("has a part after #, which means nothing here", f"leave it out; {_ENCODE}")
    return parts


def _host(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    if place.count(":") > 1 and not place.startswith("["):
        raise _refuse(
            "has more than one colon after the user",
            "write an IPv6 address in brackets: valkey://[::1]:6379",
        )
    name, percent, zone = _decoded(parts.hostname or "").partition("%")
    if not name:
        raise _refuse("names no host", f"write valkey://host:port; {_ENCODE}")
    is_zone = ":" in name and re.fullmatch(r"[A-Za-z0-9._~-]+", zone) is not None
    if percent and not is_zone:
        raise _refuse(
            "has a % in its host, and no name of a network interface after it",
            "write it as in valkey://[fe80::1%25eth0]:6379",
        )
    if not (_is_ipv6(name) if ":" in name else re.fullmatch(r"[^][/?#@\s]+", name)):
        raise _refuse("names a host that cannot be one", f"write valkey://host:port; {_ENCODE}")
    return f"{name.lower()}{percent}{zone}"


def _is_ipv6(name: str) -> bool:
    try:
        return bool(IPv6Address(name))
    except ValueError:
        return False


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        # Its text quotes what stands there: part of a password, if that holds a slash.
        port = 0
    if port == 0:
        raise _refuse(
            "has a port that is no number from 1 to 65535", f"write valkey://host:6379; {_ENCODE}"
        )
    return DEFAULT_PORT if port is None else port


def _socket_path(parts: SplitResult) -> str:
    if parts.netloc.rpartition("@")[2]:
        raise _refuse(
            "has a host before the socket's path", "write three slashes: unix:///run/valkey.sock"
        )
    path = _decoded(parts.path)
    if path in ("", "/"):
        raise _refuse("names no socket", "write unix:///run/valkey.sock")
    return path


def _user(parts: SplitResult) -> tuple[str | None, str | None]:
    """Take the user information: `user:password@`, `:password@` or `user@`."""
    if "@" not in parts.netloc:
        return None, None
    name, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return _decoded(name) or None, _decoded(password) or None


def _db(text: str) -> int | None:
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise _refuse(
            "has no database number after the host, but something else",
            f"write valkey://host:6379/2; {_ENCODE}",
        )
    return int(text)


def _db_option(query: str) -> int | None:
    """Read the one option there is, `?db=2`, as redis-py writes it for unix sockets."""
    match parse_qsl(query, keep_blank_values=True):
        case []:
            return None
        case [("db", number)]:
            return _db(number)
    raise _refuse(
        "has options after ?, of which only db is known here", f"use the flags instead; {_ENCODE}"
    )


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _refuse(
            "has percent-encoded bytes that are not UTF-8", "encode the UTF-8 form"
        ) from None
