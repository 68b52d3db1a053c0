"""Says what the bare wire tells about the client library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.cases import undisturbed
from valkeybench.analysis.ceiling import Limit, ceilings
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.report.document import Paragraph
from valkeybench.units import format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.analysis.ceiling import Ceiling
    from valkeybench.results.runfile import CaseRecord

_LIMITS = {
    Limit.CLIENT: "the client is the limit",
    Limit.SERVER: "the server or the network is the limit, not the client",
}


def ceiling_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Paragraph]:
    """Say a sentence for every case that was also sent without a client library."""
    for found in ceilings(undisturbed(cases)):
        said = list(_sentences(found))
        if said:
            yield Paragraph(text=f"{names[found.case.id]}: {' '.join(said)}")


def _sentences(found: Ceiling) -> Iterable[str]:
    if found.saturates:
        reached = format_rate(found.bare.summary.throughput)
        at_least = "at least " if found.is_lower_bound(Thresholds()) else ""
        yield (
            f"the server and network give {at_least}{reached} without a client library, and "
            f"{format_rate(found.case.summary.throughput)} with it: {_LIMITS[found.limit]}."
        )
    elif found.p99s_ns is not None:
        with_it, bare = found.p99s_ns
        ideal = "an ideal pool of the same size, first come, first served and without a client"
        yield (
            f"{ideal} library, answers with a p99 of {format_duration(bare)}; this one with"
            f" {format_duration(with_it)}."
            if bare < with_it
            else f"{ideal} library, did not do better (p99 {format_duration(bare)}, this one"
            f" {format_duration(with_it)}): the pool and the client cost nothing that shows here."
        )
