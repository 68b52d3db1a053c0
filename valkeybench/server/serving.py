"""What a server offers: over plain connections, over TLS, or both at once, and who does the TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.scenario.model import KeyType, TlsVersion

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.guarded import Control


class TlsProvider(StrEnum):
    """Who does the TLS of a server of ours."""

    NATIVE = "native"
    """The server itself."""
    RELAY = "relay"
    """A relay in front of it: what TLS costs the server is not in the server's figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOffer:
    """What TLS a server of ours shall speak."""

    key_type: KeyType = KeyType.ECDSA
    min_version: TlsVersion = TlsVersion.V1_2
    max_version: TlsVersion = TlsVersion.V1_3
    mutual: bool = False
    """Whether clients must show a certificate, too."""

    @property
    def versions(self) -> tuple[TlsVersion, ...]:
        """List the versions on offer, oldest first; none when the least is above the most."""
        every = tuple(TlsVersion)
        return every[every.index(self.min_version) : every.index(self.max_version) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One server, and the ways to it; at least one there is."""

    plain: Endpoint | None = None
    tls: Endpoint | None = None
    tls_provider: TlsProvider | None = None
    """None without TLS, and for somebody else's server, of which we cannot know."""
    binary: Path | None = None
    """What runs, when it is a server of ours; INFO tells its flavour and version."""
    control: Control | None = field(default=None, repr=False)
    """Who can kill and start it, when it is one server of ours."""

    def endpoint(self, *, tls: bool | None = None) -> Endpoint:
        """Give the way that was asked for; unasked, the plain one if there is one."""
        ways = {False: (self.plain,), True: (self.tls,), None: (self.plain, self.tls)}
        for way in ways[tls]:
            if way is not None:
                return way
        raise AssertionError("bug: a way to the server that was not asked for on opening it")
