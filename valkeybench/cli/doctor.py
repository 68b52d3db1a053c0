"""`valkeybench doctor`: checks, what to do about them, and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.fitness import Status
from valkeybench.cli.consoles import show
from valkeybench.errors import ExitCode
from valkeybench.report.doctor import doctor_document
from valkeybench.scenario.reader import read_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping


def examine(flags: Mapping[str, str | list[str]], environment: Mapping[str, str]) -> ExitCode:
    """Check everything; exit code 3 when the server cannot be measured."""
    checks = workflow.doctor(read_scenario({}, flags=flags, environment=environment))
    show(doctor_document(checks))
    failed = any(check.status is Status.FAIL for check in checks)
    return ExitCode.SERVER if failed else ExitCode.DONE
