"""What a gate says: a ruling on each limit, and the one the exit code tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Ruling(StrEnum):
    """What is said of a limit, the worst first."""

    FAIL = "fail"
    CANNOT_SAY = "can't say"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A limit, what it was held against, and the ruling."""

    limit: str
    cases: tuple[str, ...]
    """Ids of the case, or of the two that were divided."""
    ruling: Ruling
    measured: str
    between: str = ""
    """Bounds of what was measured; empty when it was counted, or cannot be bounded."""
    reason: str
    remedy: str = ""
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    is_advice: bool = False
    """Whether it is worth a warning and no more."""

    @property
    def counts_as(self) -> Ruling:
        """Give what it makes of the verdict."""
        return Ruling.PASS if self.is_advice else self.ruling

    @property
    def is_warning(self) -> bool:
        """Tell whether it did not pass, and that is only advice."""
        return self.is_advice and self.ruling is not Ruling.PASS


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every finding of a gate."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    """What limits all of it."""

    @property
    def ruling(self) -> Ruling:
        """Give the worst ruling; nothing ruled on is nothing said."""
        said = {finding.counts_as for finding in self.findings} or {Ruling.CANNOT_SAY}
        return next(ruling for ruling in Ruling if ruling in said)


def joined(verdicts: Iterable[Verdict]) -> Verdict:
    """Make one verdict of several."""
    several = tuple(verdicts)
    return Verdict(
        tuple(finding for each in several for finding in each.findings),
        tuple(dict.fromkeys(note for each in several for note in each.notes)),
    )
