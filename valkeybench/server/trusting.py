"""What we bring to a TLS server: the context redis-py would build, or what keeps it from that."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from valkeybench.scenario.model import TlsSettings

_NO_PASSWORD = ""
_OTHER_KEY = "KEY_VALUES_MISMATCH"


def check_trust(trust: TlsSettings) -> None:
    """See whether certificates, key and ciphers can be used at all, before anybody is asked.

    Raises ScenarioError with everything that is wrong.
    """
    context = ssl.create_default_context()
    problems = [
        problem
        for problem in (
            _use_certificate(context, trust),
            _use_authorities(context, trust),
            _use_ciphers(context, trust),
        )
        if problem is not None
    ]
    if problems:
        raise ScenarioError(problems)


def make_context(trust: TlsSettings) -> ssl.SSLContext:
    """Make the context redis-py would; what cannot be used is left out of it."""
    context = ssl.create_default_context()
    context.check_hostname = trust.verify and trust.check_hostname
    context.verify_mode = ssl.VerifyMode[f"CERT_{trust.cert_reqs.name}"]
    for name in trust.include_verify_flags:
        context.verify_flags |= ssl.VerifyFlags[name]
    for name in trust.exclude_verify_flags:
        context.verify_flags &= ~ssl.VerifyFlags[name]
    for use in (_use_certificate, _use_authorities, _use_ciphers):
        use(context, trust)
    return context


def _use_certificate(context: ssl.SSLContext, trust: TlsSettings) -> Problem | None:
    """Load who we are; give what is wrong with it."""
    cert, key = trust.certfile, trust.keyfile
    if cert is None:
        return None
    locked = False

    def password() -> str:
        # Without it OpenSSL would ask at the terminal, within every connection.
        nonlocal locked
        locked = True
        return trust.key_password.reveal() if trust.key_password else _NO_PASSWORD

    try:
        context.load_cert_chain(cert, key, password)
    except ssl.SSLError as error:
        return _unfit_certificate(error, trust, locked=locked)
    except OSError as error:
        return _unreadable("--cert", "certificate or key", error)
    return None


def _unfit_certificate(error: ssl.SSLError, trust: TlsSettings, *, locked: bool) -> Problem:
    """Say which of certificate, key and password is the wrong one."""
    cert, key = trust.certfile or "", trust.keyfile
    if error.reason == _OTHER_KEY:
        return Problem(
            "--key",
            f"the key in {key or cert} does not belong to the certificate in {cert}",
            "give the key that was made with it",
        )
    if locked:
        return _locked(key or cert, trust)
    if not _holds(cert, b"-----BEGIN CERTIFICATE-----"):
        return Problem("--cert", f"{cert} holds no certificate in PEM", "name the right file")
    if not _holds(key or cert, b"PRIVATE KEY-----"):
        place = "--key" if key else "--cert"
        return Problem(
            place, f"{key or cert} holds no private key in PEM", "name its file by --key"
        )
    return Problem("--cert", f"{cert} and its key cannot be read as PEM", "make them anew")


def _locked(key: str, trust: TlsSettings) -> Problem:
    """Say that a key stays locked."""
    if trust.key_password is None:
        return Problem(
            "--key",
            f"the key in {key} is locked with a password",
            "give it by --key-password-file or VALKEYBENCH_KEY_PASSWORD",
        )
    return Problem(
        "--key-password-file",
        f"the password does not open the key in {key}",
        "check it, and that it is the first line of its file",
    )


def _use_authorities(context: ssl.SSLContext, trust: TlsSettings) -> Problem | None:
    """Load whom to trust; give what is wrong with it."""
    if (trust.ca_certs, trust.ca_path, trust.ca_data) == (None, None, None):
        return None
    place = "--cacert" if trust.ca_certs else "--cadata" if trust.ca_data else "--capath"
    try:
        context.load_verify_locations(trust.ca_certs, trust.ca_path, trust.ca_data)
    except ssl.SSLError:
        where = trust.ca_certs or "it"
        return Problem(place, f"{where} holds no certificate in PEM", "name the right file")
    except OSError as error:
        return _unreadable(place, "certificates", error)
    return None


def _use_ciphers(context: ssl.SSLContext, trust: TlsSettings) -> Problem | None:
    """Choose the ciphers; give what is wrong with them."""
    if trust.ciphers is None:
        return None
    try:
        context.set_ciphers(trust.ciphers)
    except ssl.SSLError:
        return Problem(
            "--ciphers",
            f"{trust.ciphers!r} selects no cipher of TLS 1.2",
            "write an OpenSSL cipher list, like ECDHE+AESGCM (openssl ciphers -v shows what it "
            "selects); those of TLS 1.3 cannot be chosen",
        )
    return None


def _unreadable(place: str, what: str, error: OSError) -> Problem:
    return Problem(place, f"{what} cannot be read: {error.strerror}", "check the file's mode")


def _holds(path: str, marker: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as the context opened it
            return marker in file.read()
    except OSError:
        return False
