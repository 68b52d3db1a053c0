"""What loopback hides of a load that opens connections all the time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valkeybench.analysis.loopback import TIME_WAIT_SECONDS, accept_queue, ports, unpooled_rates
from valkeybench.report.document import Paragraph, Tone
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valkeybench.analysis.loopback import AcceptQueue, Ports
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import RunFile

_REUSED = 1
"""The value of tcp_tw_reuse with which ports are taken again after a second, anywhere."""


def loopback_title(run: RunFile) -> str:
    """Head it by what hides it, or by what it is for a server that is really elsewhere."""
    here = re.match(r"valkeys?://(127\.|localhost|\[::1\])", _server_text(run, "address"))
    return "What loopback hides" if here else "What connections without a pool run into"


def loopback_blocks(run: RunFile) -> Iterable[Block]:
    """Say what a network adds to a load without a pool; nothing if no case is one.

    Over a unix socket there are no ports, and nothing to say.
    """
    rates = unpooled_rates(run)
    if not rates or _server_text(run, "address").startswith("unix:"):
        return
    found = ports(run)
    if found is not None:
        yield Paragraph(text=_ports_line(run, found, max(rates.values())))
    queue = accept_queue(run)
    line = " ".join(filter(None, (_queue_line(queue), _per_cycle_line(run))))
    if line:
        yield Paragraph(text=line, tone=Tone.WARNING if queue.overflows else Tone.PLAIN)


def _ports_line(run: RunFile, found: Ports, rate: float) -> str:
    most, opened = found.most_per_second, f"{format_count(rate)} a second were opened here"
    against = f"; {opened}"
    if rate > most:
        against += "; no network lets you keep that up"
    reuse = ""
    if run.environment.get("tcp_tw_reuse") == _REUSED:
        reuse = " (tcp_tw_reuse = 1 on this machine lets outgoing connections exceed it)"
    return (
        "A connection that is closed keeps its port for "
        f"{TIME_WAIT_SECONDS} s (TIME_WAIT). Over a network, one client address can open "
        f"{format_count(found.count)} ports ({found.first} to {found.last}) / "
        f"{TIME_WAIT_SECONDS} s = {format_count(most)} new connections a second to one server "
        f"port, and no more{reuse}{against}."
    )


def _queue_line(queue: AcceptQueue) -> str:
    if queue.overflows is None and queue.backlog is None:
        return ""
    room = f"tcp-backlog {_known(queue.backlog)}, net.core.somaxconn {_known(queue.somaxconn)}"
    if queue.length is not None:
        room = f"{format_count(queue.length)} ({room})"
    if queue.overflows is None:
        full = "how often it was full is not known"
    elif queue.overflows:
        full = (
            f"it was full {format_count(queue.overflows)} times during the trials, and who is "
            "turned away tries again after a second"
        )
    else:
        full = "it was never full during the trials"
    return f"Connections that wait to be accepted: room for {room}; {full}."


def _per_cycle_line(run: RunFile) -> str:
    """Say how many connections the server takes in at once, where that is TLS and known."""
    if not any(case.axes.get("tls") is True for case in run.cases):
        return ""
    most = _server(run).get("tls_accepts_per_cycle")
    if not isinstance(most, int):
        return ""
    return (
        f"Of those over TLS the server takes in {format_count(most)} between serving others "
        "(max-new-tls-connections-per-cycle)."
    )


def _known(number: int | None) -> str:
    return "not known" if number is None else format_count(number)


def _server(run: RunFile) -> Mapping[str, object]:
    server = run.environment.get("server")
    return server if isinstance(server, dict) else {}


def _server_text(run: RunFile, key: str) -> str:
    return str(_server(run).get(key) or "")
