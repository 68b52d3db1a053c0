"""A dry run says everything a run would do to a server."""

from __future__ import annotations

from dataclasses import replace

from tests.report.examples import shown
from valkeybench.errors import Problem
from valkeybench.plan.footprint import Footprint
from valkeybench.plan.preview import Preview
from valkeybench.plan.trial import make_plan
from valkeybench.report.preview import preview_document
from valkeybench.scenario.model import Axes, Pool, Scenario
from valkeybench.units import SECOND

SCENARIO = Scenario(
    repeats=2,
    duration_ns=2 * SECOND,
    warmup_ns=0,
    axes=Axes(pool=(Pool.BLOCKING,), max_connections=(5, 10)),
)
FOUND = Preview(
    plan=make_plan(SCENARIO, key_prefix="valkeybench:<run id>:"),
    connections=12,
    keys=Footprint(loaded=10_000, loaded_bytes=1 << 20, most=10_500),
)


def test_everything_that_would_be_done_is_said() -> None:
    """Cases, time, connections, and keys with their prefix; our own server is not started."""
    assert [
        "Dry run",
        "  server           a private one, started for the run",
        "  2 cases          blocking 5 · blocking 10",
        "  trials           4 of 2 s, warm-up included",
        "  takes            8 s of load; starting processes and writing keys come on top",
        "  commands         GET key:{0..9999}",
        "  connections      12 at once at most, with those that watch",
        "  keys             under valkeybench:<run id>: only, removed at the end",
        "  before the load  10 000 keys, 1.00 MiB",
        "  at most          10 500 keys",
        "",
        "  No load was sent, no key written: the server was not started.",
    ] == shown(preview_document(FOUND), 100).replace("\N{NARROW NO-BREAK SPACE}", " ").splitlines()


def test_what_would_be_asked_first_is_shown() -> None:
    """With the server it is about and the way to say yes."""
    told = replace(
        FOUND, address="valkey://h:1/0", cautions=(Problem("h", "2 replicas of it", "add --yes"),)
    )
    page = shown(preview_document(told), 100)
    for words in ("valkey://h:1/0", "Would ask first", "h: 2 replicas of it", "add --yes"):
        assert words in page
    assert "the server was asked, and nothing else" in page


def test_a_search_says_what_it_may_try() -> None:
    """Its trials depend on what they show, so there are about so many."""
    page = shown(preview_document(replace(FOUND, sizes=(1, 2, 4), likely_trials=9)), 100)
    assert "some of 1, 2, 4" in page
    assert "about 9 of 2 s" in page
    assert "about 18 s of load" in page


def test_a_load_without_keys_writes_none() -> None:
    """PING needs nothing."""
    page = shown(preview_document(replace(FOUND, keys=Footprint(loaded=0, loaded_bytes=0, most=0))))
    assert "keys         none" in page
