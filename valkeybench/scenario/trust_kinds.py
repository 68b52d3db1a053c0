"""What whom to trust may look like: certificates as text, and flags of verifying them."""

from __future__ import annotations

from valkeybench.scenario.kinds import Kind, UnfitError, encodable, shown


def verify_flag() -> Kind:
    """Take the name of one of Python's `ssl.VerifyFlags`."""

    def convert(value: object) -> str:
        import ssl  # noqa: PLC0415 - hardly anybody needs it, and all would wait for it

        names = sorted(ssl.VerifyFlags.__members__)
        if isinstance(value, str) and value.upper() in names:
            return value.upper()
        raise UnfitError(f"{shown(value)} is no verify flag", f"there are {', '.join(names)}")

    return Kind("FLAG", convert, {"type": "string", "examples": ["VERIFY_X509_STRICT"]})


def certificates() -> Kind:
    """Take certificates in PEM, as text."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or "-----BEGIN CERTIFICATE-----" not in value:
            remedy = "give the text of a PEM file, or name the file by ssl_ca_certs (--cacert)"
            raise UnfitError("it holds no certificate in PEM", remedy)
        if "PRIVATE KEY-----" in value:
            raise UnfitError("it holds a private key", "give the certificates alone")
        return encodable(value)

    return Kind("PEM", convert, {"type": "string"})
