"""The report of a watch says who holds and who uses, and hides nothing that is not certain."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.measurement.looks import WEB, application, connection, watched
from tests.report.examples import ESCAPE, shown
from valkeybench.analysis.observing import Findings, Wish, judge
from valkeybench.measurement.client_ledger import Application
from valkeybench.measurement.client_list import Role
from valkeybench.measurement.reading import Flavour, ServerFacts, ServerReading
from valkeybench.report.observe import application_label, observe_document, observe_summary
from valkeybench.report.observe_json import observe_json
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.measurement.client_ledger import ApplicationSeen, ConnectionSeen

GOLDEN = Path(__file__).parent / "golden"
HOUR_S = 3600


def pool(
    used: int,
    held: int,
    address: str = "10.0.0.7",
    **changes: Any,  # noqa: ANN401 - fields
) -> list[ConnectionSeen]:
    """Make a pool of which so many connections were used."""
    busy = [connection(was_used=True, last_use_s=0, address=address) for _ in range(used)]
    return [*busy, *(connection(address=address, **changes) for _ in range(held - used))]


def busy() -> Findings:
    """Make a server where a little of everything was seen."""
    web = [
        *pool(3, 50, last_use_s=30 * HOUR_S),
        *pool(5, 50, "10.0.0.8", last_use_s=30 * HOUR_S),
        *(connection(address="10.0.0.8", last_use_s=HOUR_S // 2) for _ in range(4)),
        connection(is_waiting=True),
    ]
    young = [replace(each, age_s=300) for each in pool(4, 30)]
    seen: list[ApplicationSeen] = [
        application(*web, active_total=240, active_most=7),
        application(*pool(0, 40), application=replace(WEB, name="reports")),
        application(
            *young, application=Application(name="cart", library="other", version="2"), opened=2
        ),
        application(
            *pool(5, 5), application=Application(address="10.0.0.9"), commands=60, closed=1
        ),
    ]
    return judge(
        watched(
            *seen,
            clients={"others": {Role.REPLICA: 2, Role.MONITOR: 1}},
            after=ServerReading(at_ns=1, total_connections_received=620),
        ),
        Wish(),
    )


def old() -> Findings:
    """Make a watch of a server that tells little, over TLS, that went away."""
    seen = application(*pool(2, 12), commands=None, traffic=None)
    facts = ServerFacts(
        version="6.2.14", flavour=Flavour.REDIS, mode="cluster", role="slave", tls=True
    )
    return judge(
        watched(
            seen,
            address="valkeys://cache.example:6379/0",
            clients={"counts_commands": False, "is_cut_short": True},
            facts=facts,
            cost_is_told=False,
            cost_ns=500 * MILLISECOND,
            longest_listing_ns=None,
            lost="valkeys://cache.example:6379/0: nobody listens there",
        ),
        Wish(),
    )


def nobody() -> Findings:
    """Make a watch of one look at a server without clients."""
    return judge(
        watched(clients={"looks": 1, "lasted_ns": 0}, was_interrupted=True, mean_command_ns=None),
        Wish(),
    )


EXAMPLES = {"busy": busy, "old": old, "nobody": nobody}


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_watch_is_shown_as_it_always_was(name: str, columns: int) -> None:
    """The whole report, word for word."""
    golden = GOLDEN / f"observe-{name}-{columns}.txt"
    seen = shown(observe_document(EXAMPLES[name]()), columns)
    if os.environ.get("VALKEYBENCH_WRITE_GOLDEN"):
        golden.write_text(seen, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == seen
    assert [] == [line for line in seen.splitlines() if len(line) > columns]


def test_the_summary_is_who_could_do_with_fewer() -> None:
    """The most to free first, at most five, and nothing of a pool that fits."""
    seen = shown(observe_summary(busy()), 120)
    assert seen.index("web") < seen.index("reports") < seen.index("cart")
    assert "10.0.0.9" not in seen
    many = [
        application(*pool(1, 9 + n), application=replace(WEB, name=f"app-{n}")) for n in range(9)
    ]
    seen = shown(observe_summary(judge(watched(*many), Wish())), 120)
    assert 5 == seen.count("holds")


def test_many_applications_do_not_flood_the_report() -> None:
    """The largest thirty are shown, the rest counted."""
    many = [application(*pool(1, 2), application=replace(WEB, name=f"app-{n}")) for n in range(45)]
    seen = shown(observe_document(judge(watched(*many), Wish())), 120)
    assert "15 applications more hold 30 connections" in seen


def test_what_clients_call_themselves_is_harmless() -> None:
    """Control characters are spelled out, on the terminal and in JSON."""
    evil = Application(name=f"{ESCAPE}[2J\u202eweb\r\nx", library="[bold]", version="{")
    findings = judge(watched(application(*pool(1, 20), application=evil)), Wish())
    seen = shown(observe_document(findings), 120)
    assert not {ESCAPE, "\r", "\u202e"} & set(seen)
    assert "[bold] {" in seen
    assert ESCAPE not in observe_json(findings, created=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("who", "label"),
    [
        (WEB, "web · redis-py 8.1.0"),
        (Application(address="10.0.0.9"), "10.0.0.9"),
        (Application(), "nameless"),
        (Application(name="web", user="shop"), "web · user shop"),
    ],
)
def test_an_application_goes_by_what_it_says_of_itself(who: Application, label: str) -> None:
    """And by its address where it says no name."""
    assert label == application_label(who)


@pytest.mark.parametrize(
    ("name", "status"), [("busy", "complete"), ("old", "failed"), ("nobody", "interrupted")]
)
def test_json_says_the_same(name: str, status: str) -> None:
    """Every figure of the report, without NaN, and what is less certain in words."""
    findings = EXAMPLES[name]()
    document = json.loads(observe_json(findings, created=datetime(2026, 1, 2, tzinfo=UTC)))
    assert (status, "2026-01-02T00:00:00+00:00") == (document["status"], document["created"])
    assert [usage.held for usage in findings.usages] == [
        each["held"] for each in document["applications"]
    ]
    assert (name == "nobody") == (document["doubts"] == [])
    if name == "busy":
        web = document["applications"][0]
        assert {"back_ns": 600 * 10**9, "connections": 8} == web["used_within"][0]
        assert ("shrink", 12) == (web["need"]["verdict"], web["need"]["pool"])
