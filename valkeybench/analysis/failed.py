"""What the server knows about commands that failed, as notes: its error codes, its rejections."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import FailureKind
from valkeybench.results.runfile import RunWarning
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.results.runfile import CaseRecord

_PERMISSION = "NOPERM"


def failure_notes(cases: Sequence[CaseRecord]) -> list[RunWarning]:
    """Name what the server answered to commands that failed, and whom it turned away unheard."""
    return [note for case in cases for note in (*_named(case), *_turned_away(case))]


def _named(case: CaseRecord) -> Iterator[RunWarning]:
    """Name the error replies by their codes, as the server counted them."""
    answered = _failures(case, FailureKind.REPLY_ERROR)
    codes: Counter[str] = Counter()
    for trial in case.trials:
        codes.update(trial.server.errors or {} if trial.server else {})
    listed = ", ".join(f"{code} {format_count(count)} times" for code, count in codes.most_common())
    if not answered or not listed:
        return
    remedy = "see what the server means by it: its log, or the command by hand"
    if codes[_PERMISSION]:
        remedy = "permit the command and its keys to the user: ACL SETUSER <name> +<command> ~<key>"
    yield RunWarning(
        code="error_replies",
        message="the server counted these error replies, those to set-up commands and to other "
        f"clients included: {listed}",
        remedy=remedy,
        case=case.id,
    )


def _turned_away(case: CaseRecord) -> Iterator[RunWarning]:
    """Say how a full server was told from a failure of TLS, or that it could not be."""
    if case.axes.get("tls") is not True:
        return
    full, cut = _failures(case, FailureKind.MAX_CLIENTS), _failures(case, FailureKind.TLS)
    if full:
        yield RunWarning(
            code="max_clients_by_server",
            message=f"{format_count(full)} connections broke off during TLS and are counted as "
            "max_clients: a full server says nothing over TLS, but it counted that it turned "
            "as many away (rejected_connections)",
            remedy="raise maxclients on the server, or use a smaller pool or fewer processes",
            case=case.id,
        )
    if cut and not any(_told(case)):
        yield RunWarning(
            code="tls_or_max_clients",
            message=f"{format_count(cut)} connections failed during TLS, which is also what a "
            "full server looks like; this one does not tell whether it was",
            remedy="let the user use INFO, or look at rejected_connections yourself",
            case=case.id,
        )


def _told(case: CaseRecord) -> Iterator[bool]:
    for trial in case.trials:
        if trial.server is not None:
            yield trial.server.after.rejected_connections is not None


def _failures(case: CaseRecord, kind: FailureKind) -> int:
    return case.summary.failures.get(kind, 0) if case.summary else 0
