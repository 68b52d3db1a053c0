"""Writes runs as JSON for programs that want the numbers and none of the samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.report.overlay import NamedRun

_SAMPLES = {"cases": {"__all__": {"trials"}}}


def json_text(runs: Sequence[NamedRun]) -> str:
    """Write each run under its name: the run file's own records, without the trials.

    What it holds obeys the schema of run files, where that asks for no trials.
    """
    written = [
        {"name": each.name, **each.run.model_dump(mode="json", by_alias=True, exclude=_SAMPLES)}
        for each in runs
    ]
    return json.dumps({"runs": written}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
