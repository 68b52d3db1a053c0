"""What the server knows about commands that failed, as notes: its error codes, its rejections."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import FailureKind
from valkeybench.measurement.reply_codes import OTHER
from valkeybench.results.runfile import RunWarning
from valkeybench.units import format_count, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord

_PERMISSION = "NOPERM"


def failure_notes(cases: Sequence[CaseRecord]) -> list[RunWarning]:
    """Name what the server answered to commands that failed, and whom it turned away unheard."""
    return [note for case in cases for note in (*_named(case), *_turned_away(case))]


def _named(case: CaseRecord) -> Iterator[RunWarning]:
    """Name the error replies by their codes: as the client heard them, or the server counted."""
    heard = case.summary.error_replies if case.summary else {}
    said, codes = "the server answered commands with", _by_code(heard)
    if not codes and _failures(case, FailureKind.REPLY_ERROR):
        said = (
            "the server counted these error replies, those to set-up commands and to other clients "
            "included:"
        )
        codes = _counted(case)
    if not codes:
        return
    listed = ", ".join(_times(code, about) for code, about in _most_frequent(codes))
    remedy = "see what the server means by it: its log, or the command by hand"
    if _PERMISSION in codes:
        wanted = " ".join(f"+{name}" for name in sorted(codes[_PERMISSION]) if name)
        remedy = (
            "permit the command and its keys to the user: ACL SETUSER <name> "
            f"{wanted or '+<command>'} ~<key>"
        )
    yield RunWarning(code="error_replies", message=f"{said} {listed}", remedy=remedy, case=case.id)


def _by_code(heard: Mapping[str, int]) -> dict[str, Counter[str]]:
    """Count under each code the commands named with it, in the server's own spelling."""
    codes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, count in heard.items():
        code, _, command = name.partition(" ")
        codes[code][command.lower()] += count
    return dict(codes)


def _counted(case: CaseRecord) -> dict[str, Counter[str]]:
    """Give the codes the server counted, over all trials."""
    codes: Counter[str] = Counter()
    for trial in case.trials:
        codes.update(trial.server.errors or {} if trial.server else {})
    return _by_code(codes)


def _most_frequent(codes: Mapping[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    return sorted(codes.items(), key=lambda item: -item[1].total())


def _times(code: str, about: Counter[str]) -> str:
    """Write how often a code came, and about which commands where that is known."""
    named = ", ".join(command for command, _ in about.most_common() if command)
    called = "other errors" if code == OTHER else code
    times = plural(about.total(), "time")
    return f"{called} {times}" + (f" ({named})" if named else "")


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
