"""`valkeybench report`: what a stored run says, and the schema it obeys."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from valkeybench.cli.consoles import show as show_document
from valkeybench.errors import ScenarioError
from valkeybench.report.run import run_document
from valkeybench.report.size import is_search, size_document
from valkeybench.results.runfile import json_schema
from valkeybench.results.store import read_run

if TYPE_CHECKING:
    from pathlib import Path


def show(path: Path | None) -> None:
    """Read a run file and show its report."""
    if path is None:
        raise ScenarioError.one("RUN", "no run file was named", "name one, as in results/….json")
    run = read_run(path)
    document = size_document if is_search(run) else run_document
    show_document(document(run, path=str(path)))


def show_schema() -> None:
    """Print the JSON Schema of a run file."""
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
