"""What the report says of ports and accept queues, where a network would make them matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.loopback import AcceptQueue, Ports, accept_queue, unpooled_rates
from valkeybench.report.document import Paragraph, Tone
from valkeybench.report.loopback import loopback_blocks, loopback_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.results.runfile import CaseRecord, RunFile

SERVER = {"address": "valkey://127.0.0.1:6379/0", "tcp_backlog": 511, "tls_accepts_per_cycle": 1}


def a_run(
    *cases: CaseRecord,
    server: dict[str, object] | None = None,
    **environment: Any,  # noqa: ANN401 - what the environment holds
) -> RunFile:
    """Make a run on a machine like most."""
    usual = {
        "port_range": [32768, 60999],
        "somaxconn": 4096,
        "tcp_tw_reuse": 2,
        "server": SERVER | (server or {}),
    }
    return run_file(*cases, environment=usual | environment)


def overflowing(case: CaseRecord, overflows: Sequence[int | None]) -> CaseRecord:
    """Let the accept queue overflow so often in each trial."""
    trials = []
    for trial, count in zip(case.trials, overflows, strict=True):
        assert trial.server is not None
        server = trial.server.model_copy(update={"listen_overflows": count})
        trials.append(trial.model_copy(update={"server": server}))
    return case.model_copy(update={"trials": trials})


def said(run: RunFile) -> str:
    """Give all that is said."""
    blocks = list(loopback_blocks(run))
    assert all(isinstance(block, Paragraph) for block in blocks)
    return " ".join(block.text for block in blocks if isinstance(block, Paragraph))


def test_the_formula_is_shown_with_this_machines_numbers() -> None:
    """Ports of the kernel's range over sixty seconds, beside what was opened here."""
    text = said(a_run(case_record("none", opened=9000, repeats=2, duration_ms=3000)))
    assert "28 232 ports (32768 to 60999) / 60 s = 471 new connections a second" in text.replace(
        "\N{NARROW NO-BREAK SPACE}", " "
    ).replace("\N{NO-BREAK SPACE}", " ")
    assert "3 000 a second were opened here; no network lets you keep that up" in " ".join(
        text.split()
    )
    assert pytest.approx(470.53, abs=0.01) == Ports(first=32768, last=60999).most_per_second


def test_what_a_network_would_allow_is_not_called_too_much() -> None:
    """Fewer a second than the limit."""
    text = said(a_run(case_record("none", opened=300, duration_ms=3000)))
    assert "100 a second were opened here." in text
    assert "keep that up" not in text


def test_a_kernel_that_reuses_ports_anywhere_is_an_exception() -> None:
    """tcp_tw_reuse = 1, and the limit is none."""
    case = case_record("none", opened=300)
    assert "lets outgoing connections exceed it" in said(a_run(case, tcp_tw_reuse=1))
    assert "exceed" not in said(a_run(case))


def test_connections_are_counted_over_all_trials_of_a_case() -> None:
    """Per second of the windows; pooled cases are none of it."""
    run = a_run(
        case_record("none", opened=600, repeats=3, duration_ms=2000),
        case_record("blocking", 10, opened=5),
    )
    assert [300.0] == list(unpooled_rates(run).values())


@pytest.mark.parametrize(
    "run",
    [
        a_run(case_record("blocking", 10)),
        a_run(case_record("none"), server={"address": "unix:///run/x.sock"}),
        a_run(case_record("none", repeats=0)),
        a_run(),
    ],
)
def test_where_no_ports_are_used_up_nothing_is_said(run: RunFile) -> None:
    """A pool keeps its connections, and a unix socket has no ports."""
    assert "" == said(run)


def test_a_machine_that_tells_nothing_is_told_nothing_of() -> None:
    """No port range, no backlog, no counters: no line."""
    assert "" == said(run_file(case_record("none"), environment={}))


@pytest.mark.parametrize(
    ("overflows", "words", "tone"),
    [
        ((0, 0, 0), "never full", Tone.PLAIN),
        ((0, 2, 1), "full 3 times", Tone.WARNING),
        ((None, 2, None), "full 2 times", Tone.WARNING),
        ((None, None, None), "is not known", Tone.PLAIN),
    ],
)
def test_a_queue_that_was_full_is_counted(
    overflows: Sequence[int | None], words: str, tone: Tone
) -> None:
    """Over all trials in which it could be seen."""
    run = a_run(overflowing(case_record("none", repeats=3), overflows))
    assert words in said(run)
    assert tone is [block.tone for block in loopback_blocks(run) if isinstance(block, Paragraph)][1]


def test_the_queue_holds_what_both_allow() -> None:
    """The server asks, the kernel caps; of a kernel elsewhere nothing is known."""
    here = a_run(overflowing(case_record("none", repeats=1), (0,)), somaxconn=128)
    assert 128 == accept_queue(here).length
    assert "room for 128 (tcp-backlog 511, net.core.somaxconn 128)" in said(here)
    elsewhere = a_run(case_record("none"), somaxconn=128)
    assert AcceptQueue(backlog=511, somaxconn=None, overflows=None) == accept_queue(elsewhere)


def test_how_many_tls_connections_are_taken_in_at_once_is_said_where_it_matters() -> None:
    """With TLS and a server that told."""
    secure = case_record("none", tls=True)
    assert "takes in 1 between" in said(a_run(secure))
    assert "takes in" not in said(a_run(case_record("none")))
    assert "takes in" not in said(a_run(secure, server={"tls_accepts_per_cycle": None}))


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("valkey://127.0.0.1:6379/0", True),
        ("valkeys://[::1]:6379/0", True),
        ("valkey://localhost:6379/0", True),
        ("valkeys://cache.example:6379/0", False),
    ],
)
def test_a_server_elsewhere_hides_nothing(address: str, *, hidden: bool) -> None:
    """There the same figures are no warning of what would be, but of what is."""
    title = loopback_title(a_run(case_record("none"), server={"address": address}))
    assert hidden == ("loopback" in title)
