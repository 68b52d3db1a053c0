"""What a run could not see or do, as warnings: permissions, trust, leftovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.results.runfile import RunWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.scenario.model import TlsSettings

_NOT_PERMITTED = {
    "INFO": ("the server's side (connections, memory, CPU) is not shown", "+info"),
    "CLIENT": ("connections go without a name on the server", "+client|setname +client|setinfo"),
    "CONFIG": ("some of the server's limits are not known", "+config|get"),
}


def run_notes(
    facts: ServerFacts,
    trust: TlsSettings | None,
    *,
    left_behind: str,
    relayed: bool = False,
    password_shown_to: str | None = None,
) -> list[RunWarning]:
    """Say what the server did not permit, whether it was verified, and which keys remain.

    `trust` is how TLS was verified, None without TLS; `relayed` says that a relay of ours did
    the server's TLS. `left_behind` names the keys that could not be removed and why, and
    `password_shown_to` the scheduler that was told the server's password in clear.
    """
    notes = [
        RunWarning(
            code=f"{command.lower()}_not_permitted",
            message=f"the server does not let this user use {command}: {effect}",
            remedy=f"where you may, allow it: ACL SETUSER <name> {rights}",
        )
        for command, (effect, rights) in _NOT_PERMITTED.items()
        if command in facts.missing
    ]
    if relayed:
        notes.append(
            RunWarning(
                code="tls_relay",
                message="the server that was run speaks no TLS, so a relay of ours did it: what "
                "TLS costs the server is not in its figures",
                remedy="install a valkey-server built with TLS, or name one by VALKEYBENCH_SERVER "
                "(one named there gives way to no other)",
            )
        )
    notes += _trust_notes(trust)
    if password_shown_to is not None:
        notes.append(
            RunWarning(
                code="password_in_clear",
                message=f"the server's password went to the load processes over {password_shown_to}"
                ", which anybody on the way can read",
                remedy="run scheduler and workers with TLS and name them by tls://",
            )
        )
    if left_behind:
        notes.append(
            RunWarning(
                code="keys_left",
                message=f"keys could not be removed: {left_behind}",
                remedy="remove them when the server is back, or let its user use UNLINK or DEL",
            )
        )
    return notes


def _trust_notes(trust: TlsSettings | None) -> Iterable[RunWarning]:
    """Say what of the server's certificate was not looked at."""
    if trust is None:
        return
    if not trust.verify:
        yield RunWarning(
            code="insecure",
            message="the server's certificate was not verified (--insecure)",
            remedy="give its CA with --cacert instead",
        )
    elif not trust.check_hostname:
        yield RunWarning(
            code="host_not_checked",
            message="the server's certificate was verified, but not whether it is for the host "
            "that was asked (--no-check-host)",
            remedy="write a name in the URL that the certificate has",
        )
