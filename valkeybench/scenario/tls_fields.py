"""The levers of TLS: what our own server offers, and redis-py's `ssl_*` for trusting any."""

from __future__ import annotations

from valkeybench.scenario import kinds, passwords, trust_kinds
from valkeybench.scenario.field import Field, Panel
from valkeybench.scenario.model import CertReqs, KeyType, TlsVersion

_OUR_SERVER_FIELDS = (
    Field(
        section="server", key="tls", target="axes.tls", kind=kinds.tls(), axis=True,
        help="Connect over TLS: on, off, or both.", flags=("--tls",), panel=Panel.TLS,
        default="off",
    ),
    Field(
        section="server", key="tls_key", target="server.key_type",
        kind=kinds.choice(KeyType, "key type"), flags=("--tls-key",), panel=Panel.TLS,
        help="Key of our own server's certificate.", default="ecdsa",
    ),
    Field(
        section="server", key="tls_version", target="server.tls_version",
        kind=kinds.choice(TlsVersion, "TLS version"), flags=("--tls-version",), panel=Panel.TLS,
        help="The only TLS version our own server speaks.",
    ),
    Field(
        section="server", key="mutual_tls", target="server.mutual_tls", kind=kinds.boolean(),
        flags=("--mutual-tls",), panel=Panel.TLS,
        help="Our own server asks clients for a certificate.", default="false",
    ),
)  # fmt: skip

_WHO_WE_ARE_FIELDS = (
    Field(
        section="server", key="ssl_certfile", target="server.tls.certfile",
        kind=kinds.existing_file(), help="Client certificate.", flags=("--cert",),
        panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_keyfile", target="server.tls.keyfile",
        kind=kinds.existing_file(), help="Its key.", flags=("--key",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_password_file", target="server.tls.key_password",
        kind=passwords.secret_file(), flags=("--key-password-file",), panel=Panel.TLS,
        help="File whose first line opens that key; also VALKEYBENCH_KEY_PASSWORD.",
    ),
)  # fmt: skip

_WHOM_WE_TRUST_FIELDS = (
    Field(
        section="server", key="ssl_ca_certs", target="server.tls.ca_certs",
        kind=kinds.existing_file(), help="CA certificates to trust.", flags=("--cacert",),
        panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_ca_path", target="server.tls.ca_path",
        kind=kinds.existing_directory(), help="Directory of CA certificates, hashed.",
        flags=("--capath",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_ca_data", target="server.tls.ca_data",
        kind=trust_kinds.certificates(), help="CA certificates themselves, in PEM.",
        flags=("--cadata",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_cert_reqs", target="server.tls.cert_reqs",
        kind=kinds.choice(CertReqs, "requirement"), flags=("--cert-reqs",), panel=Panel.TLS,
        help="What is asked of the server's certificate.", default="required",
    ),
    Field(
        section="server", key="insecure", target="server.tls.cert_reqs",
        kind=kinds.boolean(on=CertReqs.NONE, off=CertReqs.REQUIRED),
        help="Short for --cert-reqs none.", flags=("--insecure",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_check_hostname", target="server.tls.check_hostname",
        kind=kinds.boolean(), help="The certificate must name the host.",
        flags=("--check-host",), panel=Panel.TLS, default="true",
    ),
    Field(
        section="server", key="ssl_include_verify_flags",
        target="server.tls.include_verify_flags", kind=trust_kinds.verify_flag(), many=True,
        help="A flag of Python's ssl.VerifyFlags to set; repeatable.",
        flags=("--verify-flag",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_exclude_verify_flags",
        target="server.tls.exclude_verify_flags", kind=trust_kinds.verify_flag(), many=True,
        help="One to clear; repeatable.", flags=("--verify-flag-off",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_min_version", target="server.tls.min_version",
        kind=kinds.choice(TlsVersion, "TLS version"), help="Least TLS version to accept.",
        flags=("--tls-min-version",), panel=Panel.TLS,
    ),
    Field(
        section="server", key="ssl_ciphers", target="server.tls.ciphers",
        kind=kinds.text("LIST"), help="OpenSSL cipher list (TLS 1.2).", flags=("--ciphers",),
        panel=Panel.TLS,
    ),
)  # fmt: skip

TLS_FIELDS = (*_OUR_SERVER_FIELDS, *_WHO_WE_ARE_FIELDS, *_WHOM_WE_TRUST_FIELDS)

OCSP_KEYS = frozenset(
    {
        "ssl_validate_ocsp",
        "ssl_validate_ocsp_stapled",
        "ssl_ocsp_context",
        "ssl_ocsp_expected_cert",
    }
)
"""What redis-py takes as well and we refuse: it asks somebody else within every connection."""
