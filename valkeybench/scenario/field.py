"""What a lever is: its place in a file, its flag, its kind, its words, and its group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from valkeybench.scenario.kinds import Kind


class Panel(StrEnum):
    """The headings flags are listed under, in this order."""

    LOAD = "Load"
    POOL = "Pool"
    CLIENT = "Client"
    MEASURING = "Measuring"
    SERVER = "Server"
    TLS = "TLS"
    LIMITS = "Limits"

    @property
    def example(self) -> str:
        """Give a command that puts the group to use."""
        return {
            Panel.LOAD: "valkeybench run -c 50 --think 5ms --command 'GET user:{0..999}'",
            Panel.POOL: "valkeybench run -c 50 -m 5,10,25,50 --pool blocking,fair",
            Panel.CLIENT: "valkeybench run --handshake shipped,minimal --socket-timeout 1s",
            Panel.MEASURING: "valkeybench run --duration 10s --repeats 7 --pin auto",
            Panel.SERVER: "valkeybench run --url valkey://me@host:6379/0 --password-file word.txt",
            Panel.TLS: "valkeybench run --tls both -c 4 --think 150ms",
            Panel.LIMITS: "valkeybench run --fail-if 'response.p99 > 5ms' --fail-if 'failed > 0'",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One lever.

    `section` and `key` place it in a TOML file; `target` is the dotted path of the
    attribute of `Scenario` it sets; `flags` are its names on the command line (none: only
    in a file). An axis takes one value or a list. `many` takes a list that is one value.
    """

    section: str
    key: str
    target: str
    kind: Kind
    help: str
    flags: tuple[str, ...] = ()
    axis: bool = False
    many: bool = False
    panel: StrEnum = Panel.LOAD
    default: str = ""

    @property
    def path(self) -> str:
        """Give its place in a TOML file, as a message names it."""
        return f"{self.section}.{self.key}" if self.section else self.key

    @property
    def parameter(self) -> str:
        """Give the name of its parameter on the command line."""
        return self.flags[0].lstrip("-").replace("-", "_")
