"""A fleet plan as the report somebody forwards: the verdict, the charts, every formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.charts.fleet import fleet_charts
from valkeybench.report.document import Callout, Heading, Paragraph
from valkeybench.report.dossier import Dossier, Section
from valkeybench.report.fleet import fleet_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.fleet import FleetPlan


def fleet_dossier(plan: FleetPlan, *, sources: Sequence[str]) -> Dossier:
    """Make the report of a plan; `sources` are the files it rests on."""
    blocks = fleet_document(plan, sources=sources).blocks
    # It begins with its title, and what the fleet is.
    title, *about = [b.text for b in blocks[:2] if isinstance(b, Heading | Paragraph)]
    inner = [Heading(text=b.text, level=3) if isinstance(b, Heading) else b for b in blocks[2:]]
    return Dossier(
        title=title,
        about=tuple(about),
        sections=(
            Section(
                id="answer",
                title="The answer",
                items=tuple(block for block in inner if isinstance(block, Callout)),
            ),
            Section(id="growth", title="Fleets of other sizes", items=tuple(fleet_charts(plan))),
            Section(
                id="evidence",
                title="How it was reckoned",
                items=tuple(block for block in inner if not isinstance(block, Callout)),
            ),
        ),
    )
