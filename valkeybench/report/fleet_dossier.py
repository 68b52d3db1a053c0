"""A fleet plan as the report somebody forwards: the verdict, the charts, every formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.charts.fleet import fleet_charts
from valkeybench.report.document import Callout, Heading, Paragraph
from valkeybench.report.dossier import Dossier, Section
from valkeybench.report.fleet import fleet_document
from valkeybench.report.run import who

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.fleet import FleetPlan
    from valkeybench.results.runfile import RunFile


def fleet_dossier(
    plan: FleetPlan, *, sources: Sequence[str], runs: Sequence[RunFile] = ()
) -> Dossier:
    """Make the report of a plan; `sources` are the files it rests on, `runs` what is in them."""
    blocks = fleet_document(plan, sources=sources).blocks
    # It begins with its title, and what the fleet is.
    title, *about = [b.text for b in blocks[:2] if isinstance(b, Heading | Paragraph)]
    inner = [Heading(text=b.text, level=3) if isinstance(b, Heading) else b for b in blocks[2:]]
    return Dossier(
        title=title,
        about=(*about, *dict.fromkeys(line for run in runs for line in _measured(run))),
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


def _measured(run: RunFile) -> tuple[str, str]:
    """Say what the figures were measured with, and when."""
    return f"measured with {who(run)}", f"begun {run.created} · valkeybench {run.tool.version}"
