"""Why TLS with a server fails, found by a second look at it, and what to do about it."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from valkeybench.server.trusting import make_context
from valkeybench.units import SECOND, format_duration

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

TRY_TLS = "if it speaks TLS, write valkeys:// instead of valkey://"
TRY_PLAIN = "if it speaks no TLS, write valkey:// instead of valkeys://"
_MAY_BE = "it may have all the clients it takes (maxclients), or want --cert and --key of us"
_SHOW_YOURS = "give --cert and --key"
_INSECURE = "measure without checking with --insecure"

_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAMES = frozenset({62, 64})
"""X509_V_ERR_*: a host name, or an address, that the certificate does not name."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name."""


def tls_trouble(cause: ssl.SSLError, endpoint: Endpoint, timeout_ns: int) -> tuple[str, str]:
    """Say why TLS failed, and what to do."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _distrust(cause, endpoint, timeout_ns)
    # A server that refuses us in TLS 1.3 says so after negotiating, when we may be writing
    # already and never hear it; who listens does.
    return _refusal(_look(endpoint, timeout_ns).refused or cause, endpoint)


def tls_silence(endpoint: Endpoint, timeout_ns: int) -> tuple[str, str]:
    """Say what a server may be that takes a connection and does not negotiate."""
    took = f"it took the connection and said nothing of TLS for {format_duration(timeout_ns)}"
    return took, f"{TRY_PLAIN}; if it does, see whether {endpoint.host} is busy"


def tls_hang_up(endpoint: Endpoint, timeout_ns: int) -> tuple[str, str]:
    """Say why a server that speaks TLS closes the connection at the first command."""
    refused = _look(endpoint, timeout_ns).refused
    if refused is not None:
        return tls_trouble(refused, endpoint, timeout_ns)
    return "the server closed the connection after negotiating TLS", f"{_MAY_BE}; see its log"


def _refusal(cause: ssl.SSLError, endpoint: Endpoint) -> tuple[str, str]:
    """Explain by the alert the server sent, or that it sent none (RFC 8446, section 6.2)."""
    ours = endpoint.trust.certfile
    why = cause.reason or ""
    said = re.sub(r" *[(]_ssl[.]c:[0-9]+[)]", "", str(cause.args[-1]))
    failed = f"TLS failed: {said}"
    if "CERTIFICATE_REQUIRED" in why:
        return "the server wants a certificate of ours", _SHOW_YOURS
    if ours and re.search("ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|.*CERTIFICATE)", why):
        return (
            f"the server does not accept our certificate: {said}",
            f"see that {ours} is valid and signed by an authority the server knows (--cert, --key)",
        )
    if "PROTOCOL_VERSION" in why or "UNSUPPORTED_PROTOCOL" in why:
        return "the server speaks no TLS version we accept", "lower --tls-min-version, or update it"
    if "HANDSHAKE_FAILURE" in why or "NO_CIPHERS" in why:
        chosen = "let --ciphers allow one that it has" if endpoint.trust.ciphers else ""
        wanted = "" if ours else f"if it wants a certificate of ours, {_SHOW_YOURS}"
        remedy = "; ".join(filter(None, (chosen, wanted)))
        return "the server refused every TLS we offer", remedy or "see its log"
    if isinstance(cause, ssl.SSLEOFError):
        return (
            "the server closed the connection while TLS was negotiated",
            f"{_MAY_BE}; {TRY_PLAIN}",
        )
    return failed, f"{TRY_PLAIN}; if it wants a certificate of ours, {_SHOW_YOURS}"


def _distrust(
    cause: ssl.SSLCertVerificationError, endpoint: Endpoint, timeout_ns: int
) -> tuple[str, str]:
    """Explain by what OpenSSL has against the certificate, and by what the certificate says."""
    untrusted = "the server's certificate is not trusted: "
    code = cause.verify_code
    if code in _OTHER_NAMES:
        seen = _look(endpoint, timeout_ns)
        names = f"is for {seen.names}" if seen.names else "is for another name"
        return (
            f"{untrusted}it {names}, and we asked for {endpoint.host}",
            "write a name it has in the URL, or leave that unchecked with --no-check-host",
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        seen = _look(endpoint, timeout_ns)
        remedy = f"renew it on the server; until then, {_INSECURE}"
        if code == _NOT_YET_VALID:
            remedy = f"set the clocks, or wait until it is valid; until then, {_INSECURE}"
        return f"{untrusted}{seen.validity(datetime.now(UTC)) or cause.verify_message}", remedy
    return (
        f"{untrusted}{cause.verify_message}",
        f"trust who signed it with --cacert FILE, or {_INSECURE}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a server shows to somebody who minds neither its name nor the date."""

    refused: ssl.SSLError | None = None
    certificate: dict[str, Any] = field(default_factory=dict)
    """What Python tells of a verified certificate (`SSLSocket.getpeercert`)."""

    @property
    def names(self) -> str:
        """List the names it is for."""
        return ", ".join(value for _, value in self.certificate.get("subjectAltName", ()))

    def validity(self, now: datetime) -> str:
        """Say what is wrong with its dates; nothing when it is not this certificate's."""
        begins, ends = self._date("notBefore"), self._date("notAfter")
        if ends and ends < now:
            return f"it expired on {_shown(ends)}"
        if begins and now < begins:
            return f"it is not valid before {_shown(begins)}"
        return ""

    def _date(self, name: str) -> datetime | None:
        text = self.certificate.get(name)
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC) if text else None


def _shown(date: datetime) -> str:
    return f"{date:%Y-%m-%d %H:%M} UTC"


def _look(endpoint: Endpoint, timeout_ns: int) -> _Look:
    """Negotiate once more and listen; say nothing, so that no refusal is missed."""
    context = make_context(endpoint.trust)
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    address = endpoint.host, endpoint.port
    seen: dict[str, Any] = {}
    try:
        with (
            socket.create_connection(address, timeout_ns / SECOND) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host) as secured,
        ):
            seen = secured.getpeercert() or {}
            with suppress(TimeoutError):  # a server that has nothing against us waits for us
                secured.recv(1)
    except ssl.SSLError as error:
        return _Look(refused=error, certificate=seen)
    except OSError:
        pass
    return _Look(certificate=seen)
