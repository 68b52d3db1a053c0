"""What must hold of every text a person can type or write in a file, whatever stands in it.

Each check takes the text, raises AssertionError when we break a promise, lets through whatever
else went wrong, and gives whether the text was accepted.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import hiredis

from tests.measurement.looks import watched
from tests.report.examples import shown
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.observing import Wish, judge
from valkeybench.cli.compare import rules_of
from valkeybench.cli.limits import limits_of
from valkeybench.cli.thresholds import regression_rules
from valkeybench.errors import ScenarioError
from valkeybench.load.wire.requests import encode_request
from valkeybench.measurement.client_ledger import ClientLedger
from valkeybench.measurement.client_list import read_client_list
from valkeybench.measurement.command_stats import read_command_stats
from valkeybench.measurement.reading import facts_from_info, parse_info, reading_from_info
from valkeybench.measurement.watch import ServerWatch
from valkeybench.plan.trial import make_plan
from valkeybench.plan.workload import Batch, command_table
from valkeybench.report.observe import observe_document
from valkeybench.report.observe_json import observe_json
from valkeybench.results.summary import server_record
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.fleet import FLEET_FIELDS, read_fleet
from valkeybench.scenario.model import ServerSettings, plain
from valkeybench.scenario.reader import MOST_CASES, parse_toml, read_scenario
from valkeybench.scenario.template import parse_template
from valkeybench.scenario.word import TemplateError
from valkeybench.server.endpoint import endpoint_from_url
from valkeybench.units import (
    compact_duration,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    parse_duration,
    parse_rate,
    parse_size,
)

if TYPE_CHECKING:
    from valkeybench.scenario.model import Scenario

CANARY = "c4n4ry"
"""Stands for a password, and is in no message."""
PREFIX = "valkeybench:fuzz:"
_LONGEST_MESSAGE = 20_000


def toml(text: str) -> bool:
    """A scenario file is read or refused, and means the same each time."""
    try:
        document = parse_toml(text, source="s.toml")
        scenario = read_scenario(document, source="s.toml")
        limits_of(scenario)
    except ScenarioError as error:
        refused(error)
        return False
    assert repr(scenario) == repr(read_scenario(document, source="s.toml"))
    sound(scenario)
    return True


def flags(text: str) -> bool:
    """Flags are read or refused: a line for each, its name and its word."""
    given: dict[str, str | list[str]] = {}
    for line in text.split("\n"):
        name, _, word = line.partition("=")
        known = FLAGGED[len(name) % len(FLAGGED)] if name.isdecimal() else _by_name().get(name)
        if known is not None:
            given[known.parameter] = [word] if known.many and not known.axis else word
    try:
        scenario = read_scenario({}, flags=given)
    except ScenarioError as error:
        refused(error)
        return False
    sound(scenario)
    return True


def variables(text: str) -> bool:
    """What stands in the environment is read or refused, and a password is not repeated."""
    url, _, word = text.partition("\n")
    given = {"VALKEYBENCH_URL": url, "VALKEYBENCH_PASSWORD": word, "VALKEYBENCH_KEY_PASSWORD": word}
    try:
        scenario = read_scenario({}, environment=given)
        endpoint_from_url(scenario.server)
    except ScenarioError as error:
        refused(error)
        return False
    assert not word or word == getattr(scenario.server.password, "reveal", str)()
    sound(scenario)
    return True


def fleet(text: str) -> bool:
    """What is said of a fleet is read or refused."""
    words = text.split("\n")
    given = {f.parameter: w for f, w in zip(FLEET_FIELDS, words, strict=False) if w}
    try:
        read = read_fleet({"processes": "2", **given})
    except ScenarioError as error:
        refused(error)
        return False
    finite(plain(read))
    return True


def limit(text: str) -> bool:
    """A limit is read or refused; what it is shown as is read as the same limit."""
    try:
        (read,) = parse_limits([text], place="--fail-if", across_cases=True)
    except ScenarioError as error:
        refused(error)
        return False
    assert math.isfinite(read.value)
    (again,) = parse_limits([str(read)], place="--fail-if", across_cases=True)
    assert read == again, f"{read!r} is shown as {read}"
    return True


def comparison(text: str) -> bool:
    """Metrics and thresholds are read or refused."""
    accepted = False
    for read in (
        lambda: rules_of([text]),
        lambda: regression_rules([text], ()),
        lambda: regression_rules((), [text]),
    ):
        try:
            read()
            accepted = True
        except ScenarioError as error:
            refused(error)
    return accepted


def url(text: str) -> bool:
    """A URL is read or refused; its address names the same place, and nobody's password."""
    if not text.isascii() and "\udc80" <= max(text) <= "\udcff":  # refused where flags are read
        _read_url(text, {})
        return False
    settings = ServerSettings(url=text)
    try:
        endpoint = endpoint_from_url(settings)
    except ScenarioError as error:
        refused(error)
        for flags_too in ({"cluster": "true"}, {}):
            _read_url(text, flags_too)
        return False
    _read_url(text, {"cluster": "true"})
    again = endpoint_from_url(ServerSettings(url=endpoint.address))
    assert endpoint.address == again.address
    assert (endpoint.host, endpoint.port) == (again.host, again.port)
    assert (endpoint.path, endpoint.tls, endpoint.db) == (again.path, again.tls, again.db)
    assert again.password is None
    word = "" if endpoint.password is None else endpoint.password.reveal()
    if (
        CANARY in word
        and CANARY not in f"{endpoint.username}{endpoint.host}{endpoint.path}".lower()
    ):
        assert CANARY not in repr(endpoint).lower()
        assert CANARY not in endpoint.address.lower()
    return True


def _read_url(text: str, flags_too: dict[str, str]) -> None:
    try:
        read_scenario({}, flags={"url": text, **flags_too})
    except ScenarioError as error:
        refused(error)


def command(text: str) -> bool:
    """A template is read or refused; what is drawn of it keeps to our keys, whole on the wire."""
    try:
        template = parse_template(text)
    except TemplateError as error:
        legible(f"{error.reason} {error.remedy}")
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # refused where flags and files are read
        return False
    positions = {each.name: each.key_words for each in template.commands}
    table = command_table((text,), seed="1", prefix=PREFIX, value_size=3)
    for request in table[:4]:
        commands = request.commands if isinstance(request, Batch) else (request,)
        for words in commands:
            keys = positions[words[0].upper()] if len(commands) == 1 else ()
            assert all(words[at].startswith(PREFIX) for at in keys)
        reader = hiredis.Reader()
        reader.feed(encode_request(request))
        heard = []
        while (each := reader.gets()) is not False:
            heard.append(each)
        said = [[word.encode() for word in words] for words in commands]
        transaction = isinstance(request, Batch) and request.transaction
        assert said == (heard[1:-1] if transaction else heard)
    return True


def quantity(text: str) -> bool:
    """Durations, sizes and rates are read or refused; what is written of one is read as it."""
    accepted = False
    for parse in (parse_duration, parse_size, parse_rate):
        try:
            found = parse(text)
        except ValueError as error:
            legible(str(error))
            continue
        accepted = True
        assert 0 <= found < math.inf
        for show in (format_duration, format_bytes, format_rate, format_count, format_percent):
            legible(show(found))
        if parse is parse_duration and found < 10**30:  # no place takes a longer one
            assert found == parse_duration(compact_duration(int(found)))
        if parse is parse_size:
            assert len(str(found)) > 40 or found == parse_size(str(found))
    return accepted


def client_list(text: str) -> bool:
    """Any CLIENT LIST is read, line by line, and adds up."""
    entries = list(read_client_list(text, most=100))
    assert len(entries) <= 100
    ledger = ClientLedger()
    for look in range(2):
        assert len(entries) == ledger.enter(entries, at_ns=look * 10**9)
    findings = judge(replace(watched(), clients=ledger.seen()), Wish())
    finite(json.loads(observe_json(findings, created=datetime.now(UTC))))
    shown(observe_document(findings))
    return bool(entries)


def info(text: str) -> bool:
    """Any INFO is read, and what is kept of it fits a run file."""
    fields = parse_info(text)
    read_command_stats(fields)
    facts_from_info(fields)
    reading = reading_from_info(fields, 0)
    watch = ServerWatch(
        before=reading, ready=reading, after=reading, samples=(reading,),
        opens_ns=0, closes_ns=1, own_connections=1,
    )  # fmt: skip
    finite(json.loads(server_record(watch).model_dump_json()))
    return bool(fields)


def sound(scenario: Scenario) -> None:
    """Hold a scenario that was accepted to what all of them promise."""
    cases = scenario.cases()
    assert 1 <= len(cases) <= MOST_CASES
    finite([plain(case) for case in cases])
    if len(cases) * scenario.repeats <= 2000:
        plan = make_plan(scenario, key_prefix=PREFIX)
        assert len(cases) * scenario.repeats == len(plan.trials)
        assert 0 < plan.duration_ns
    assert CANARY not in repr(scenario.server.password)


def refused(error: ScenarioError) -> None:
    """Hold a refusal to its form: places, reasons, and nothing that must not be shown."""
    assert error.problems
    for problem in error.problems:
        assert problem.place
        assert problem.reason
    text = str(error)
    assert CANARY not in text, text
    assert len(text) < _LONGEST_MESSAGE


def legible(text: str) -> None:
    """Hold a message to being one: not empty, of some length."""
    assert 0 < len(text.strip()) < _LONGEST_MESSAGE


def finite(part: Any) -> None:  # noqa: ANN401 - any JSON
    """See that something can be written as JSON, with no NaN or Infinity in it."""
    json.dumps(part, allow_nan=False, default=str)


def _by_name() -> dict[str, Any]:
    return {field.parameter: field for field in FLAGGED}
