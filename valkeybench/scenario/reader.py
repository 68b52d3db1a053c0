"""Reads a scenario from a TOML document and flags, and reports every problem at once."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario import kinds, passwords
from valkeybench.scenario.clusters import unfit_for_cluster
from valkeybench.scenario.disturbing import unfit_disturbance
from valkeybench.scenario.fields import FIELDS, SECTIONS
from valkeybench.scenario.kinds import UnfitError
from valkeybench.scenario.meaning import stands, unfit_for_want_of_meaning
from valkeybench.scenario.model import LOCAL, Driver, Scenario
from valkeybench.scenario.multiplexed import (
    over_one_connection_if_alone,
    unfit_for_one_connection,
)
from valkeybench.scenario.template import parse_template, type_conflict
from valkeybench.scenario.tls_fields import OCSP_KEYS
from valkeybench.scenario.wording import did_you_mean, legible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valkeybench.scenario.field import Field
    from valkeybench.scenario.kinds import Kind
    from valkeybench.scenario.model import ServerSettings

MOST_CASES = 500
_MOST_DOTS = 1000

_ONLY_OURS = frozenset({"server.key_type", "server.tls_version", "server.mutual_tls"})
"""Settings of TLS that a server of our own is started with."""

_VARIABLES = {
    "VALKEYBENCH_URL": ("server.url", kinds.url()),
    "VALKEYBENCH_PASSWORD": ("server.password", passwords.secret()),
    "VALKEYBENCH_KEY_PASSWORD": ("server.tls.key_password", passwords.secret()),
}
"""Which variable sets what, and of what kind it is."""


def parse_toml(text: str, *, source: str) -> dict[str, Any]:
    """Parse a scenario file; raises ScenarioError naming line and column."""
    # tomllib takes a key of thirty thousand parts for ten seconds: they are counted first.
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise ScenarioError.one(source, "not a scenario: a line of a thousand dots", "shorten it")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError.one(source, f"not TOML: {error}", "see https://toml.io") from None
    except (ValueError, RecursionError):  # tomllib lets what int() and the stack refuse through
        reason = "not TOML: a number is too long, or lists are nested too deep"
        raise ScenarioError.one(source, reason, "see https://toml.io") from None


def read_scenario(
    document: Mapping[str, Any],
    *,
    name: str = "ad-hoc",
    source: str = "scenario",
    flags: Mapping[str, str | Sequence[str]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Scenario:
    """Make the scenario a document asks for, flags overriding it, the environment below both.

    `flags` maps a flag's parameter name (`max_conn`) to its word, or its words when it is
    repeatable. Raises ScenarioError with every problem found.
    """
    reading = _Reading(source)
    values = reading.environment(environment or {})
    values |= reading.document(document)
    values |= reading.flags(flags or {})
    scenario = replace(Scenario(), name=legible(name))
    for target, given in values.items():
        scenario = _set(scenario, target.split("."), given.value)
    scenario = _over_tls_if_named(scenario, values)
    scenario = over_one_connection_if_alone(scenario, values)
    reading.check(scenario, values)
    if reading.problems:
        raise ScenarioError(reading.problems)
    return scenario


def _over_tls_if_named(scenario: Scenario, values: Mapping[str, _Given]) -> Scenario:
    """Take TLS for asked where the URL names it and nothing else was said."""
    if "axes.tls" in values or not _names_tls(scenario.server.url or ""):
        return scenario
    return replace(scenario, axes=replace(scenario.axes, tls=(True,)))


def _names_tls(url: str) -> bool:
    return url.lower().startswith(("valkeys:", "rediss:"))


@dataclass(frozen=True, slots=True)
class _Given:
    """A converted value, and where it came from."""

    place: str
    value: Any = dataclasses.field(repr=False)  # a URL may name a password


class _Reading:
    """One reading of one scenario: collects problems as it goes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def note(self, place: str, reason: str, remedy: str = "") -> None:
        self.problems.append(Problem(place, reason, remedy))

    def environment(self, environment: Mapping[str, str]) -> dict[str, _Given]:
        """Convert what environment variables say, by target."""
        found = {}
        for variable, (target, kind) in _VARIABLES.items():
            if environment.get(variable):
                for converted in self._convert(kind, environment[variable], variable):
                    found[target] = _Given(variable, converted)
        return found

    def document(self, document: Mapping[str, Any]) -> dict[str, _Given]:
        """Convert everything a document holds, by target."""
        by_path = {(field.section, field.key): field for field in FIELDS}
        found: dict[str, _Given] = {}
        named: set[str] = set()
        for section, key, value in self._flatten(document):
            place = self._place(section, key)
            if (section, key) not in by_path:
                self._note_unknown(section, key)
                continue
            field = by_path[section, key]
            named.add(field.target)
            for converted in self._converted(field, value, place):
                if field.target in found:
                    self.note(place, f"sets what {found[field.target].place} sets", "drop one")
                found[field.target] = _Given(place, converted)
        return self._with_address(found, named)

    def flags(self, flags: Mapping[str, str | Sequence[str]]) -> dict[str, _Given]:
        """Convert every flag given, by target."""
        found = {}
        for field in FIELDS:
            if not field.flags or flags.get(field.parameter) in (None, ()):
                continue
            words = flags[field.parameter]
            if isinstance(words, str):
                words = words.split(",") if field.axis else [words]
            literal = [field.kind.literal(word.strip()) for word in words]
            value = literal if field.axis or field.many else literal[0]
            for converted in self._converted(
                field, value, field.flags[0], "{0} number {2}" if field.many else "{0}"
            ):
                found[field.target] = _Given(field.flags[0], converted)
        return found

    def check(self, scenario: Scenario, values: Mapping[str, _Given]) -> None:
        """Look for what is fine alone and wrong together."""
        # Counted no further than needed: a few long lists make more cases than fit in a life.
        cases = islice(scenario.axes.cases(), MOST_CASES + 1)
        if sum(1 for _ in cases) > MOST_CASES:
            self.note(self._source, f"makes more than {MOST_CASES} cases", "vary less at a time")
        self._check_commands(scenario, values)
        self._check_tls(scenario.server, values, uses_tls=True in scenario.axes.tls)
        tls = scenario.server.tls
        if tls.keyfile and not tls.certfile:
            place = values["server.tls.keyfile"].place
            self.note(place, "a key without its certificate", "give the certificate too")
        if scenario.pin != "none" and scenario.place != LOCAL:
            place = values["pin"].place
            self.note(place, "it names CPUs of this machine, not of the workers", "leave it out")
        unfit = chain(
            unfit_for_cluster(scenario),
            unfit_for_one_connection(scenario, values),
            unfit_disturbance(scenario, values),
            () if self.problems else unfit_for_want_of_meaning(scenario, self._by_flag(values)),
        )
        for target, reason, remedy in unfit:
            place = values[target].place if target in values else self._source
            self.note(place, reason, remedy)
        if set(scenario.axes.driver) == {Driver.WIRE} and any(scenario.axes.retries):
            place = values["axes.retries"].place
            self.note(place, "the driver wire tries nothing again", "leave retries out")

    @staticmethod
    def _by_flag(values: Mapping[str, _Given]) -> dict[str, bool]:
        """Tell of each target whether a flag set it."""
        return {target: given.place.startswith("--") for target, given in values.items()}

    def _check_unused_tls(self, values: Mapping[str, _Given]) -> None:
        """Look for settings of TLS where no case has it."""
        by_flag = self._by_flag(values)
        for target, given in values.items():
            is_of_tls = target in _ONLY_OURS or target.startswith("server.tls.")
            # A variable may be set for other runs than this one.
            if is_of_tls and given.place not in _VARIABLES and stands(target, "axes.tls", by_flag):
                self.note(given.place, "is for TLS, and nothing uses it", "add --tls on or both")

    def _check_tls(
        self, server: ServerSettings, values: Mapping[str, _Given], *, uses_tls: bool
    ) -> None:
        """Look for settings of TLS that mean nothing, by the URL or because nothing uses it."""
        if server.url is None:
            if not uses_tls:
                self._check_unused_tls(values)
            return
        for target, given in values.items():
            if target in _ONLY_OURS:
                self.note(
                    given.place,
                    "is for a server of our own, and a URL names another",
                    "leave it out; what that server speaks is set there",
                )
            # A variable may be set for other runs than this one.
            elif (
                target.startswith("server.tls.")
                and given.place not in _VARIABLES
                and not _names_tls(server.url)
            ):
                self.note(
                    given.place,
                    "is for TLS, and the URL names a connection without it",
                    "write valkeys:// in the URL, or leave it out",
                )

    def _note_unknown(self, section: str, key: str) -> None:
        place = self._place(section, key)
        if key in OCSP_KEYS:
            remedy = "leave it out: it would time a third party within every connection"
            self.note(place, "OCSP is not supported", remedy)
        else:
            self.note(place, "unknown key", _nearest_key(section, key))

    def _check_commands(self, scenario: Scenario, values: Mapping[str, _Given]) -> None:
        templates = [parse_template(text) for text in scenario.commands]
        conflict = type_conflict(templates)
        if conflict:
            self.note(values["commands"].place, conflict, "name one of them otherwise")
        if max(scenario.axes.pipeline) > 1 and any(one.together for one in templates):
            reason = "makes pipelines of what is a batch already"
            self.note(values["axes.pipeline"].place, reason, "drop it, or write single commands")

    def _flatten(self, document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        """Walk the document as section, key and value."""
        for key, value in document.items():
            if key in SECTIONS and isinstance(value, dict):
                for inner, held in value.items():
                    yield key, inner, held
            elif isinstance(value, dict):
                self.note(self._place("", key), "unknown section", did_you_mean(key, SECTIONS))
            elif key in SECTIONS:
                self.note(self._place("", key), "is a section, not a value", f"write [{key}]")
            else:
                yield "", key, value

    def _with_address(self, found: dict[str, _Given], named: set[str]) -> dict[str, _Given]:
        """Make a URL of host and port, which only a file can give; `named` may be unfit."""
        host, port = found.pop("host", None), found.pop("port", None)
        if "server.url" in found:
            for given in filter(None, (host, port)):
                self.note(given.place, "stands beside server.url", "say where the server is once")
        elif host is not None:
            # In brackets, with the percent sign of a zone encoded, as in any URL.
            shown = f"[{host.value.replace('%', '%25')}]" if ":" in host.value else host.value
            url = f"valkey://{shown}" + (f":{port.value}" if port is not None else "")
            found["server.url"] = _Given(host.place, url)
        elif port is not None and not named & {"host", "server.url"}:
            self.note(port.place, "a port without a host", "give server.host, or server.url")
        return found

    def _converted(
        self, field: Field, value: object, place: str, places: str = "{0}[{1}]"
    ) -> Iterator[Any]:
        """Convert one value, or each of a list; yield nothing when any was unfit.

        `places` names one of several: {0} is the place of all, {1} counts from 0, {2} from 1.
        """
        if not (field.axis or field.many):
            yield from self._convert(field.kind, value, place)
            return
        items = _spelt_out(field, value if isinstance(value, list) else [value])
        if not items:
            self.note(place, "the list is empty", "give at least one value")
            return
        several = len(items) > 1
        converted: list[Any] = []
        for index, item in enumerate(items):
            converted += self._convert(
                field.kind, item, places.format(place, index, index + 1) if several else place
            )
        if len(converted) == len(items):
            yield tuple(dict.fromkeys(converted)) if field.axis else tuple(converted)

    def _convert(self, kind: Kind, value: object, place: str) -> Iterator[Any]:
        try:
            yield kind.convert(value)
        except UnfitError as error:
            self.note(place, error.reason, error.remedy)

    def _place(self, section: str, key: str) -> str:
        path = f"{section}.{key}" if section else key
        return f"{self._source}: {legible(path)}"


def _spelt_out(field: Field, items: list[Any]) -> list[Any]:
    """Put several values where one word stands for them."""
    known = field.kind.stands_for
    return [
        each
        for item in items
        for each in (known.get(item, (item,)) if isinstance(item, str) else (item,))
    ]


def _nearest_key(section: str, key: str) -> str:
    """Name the key that was probably meant: this one elsewhere, or a similar one; else list all."""
    here = {field.key: field.path for field in FIELDS if field.section == section}
    everywhere = {field.key: field.path for field in FIELDS}
    if key in everywhere:
        return f"did you mean {everywhere[key]}?"
    for known in (here, everywhere):
        close = get_close_matches(legible(key).lower(), known, n=1, cutoff=0.6)
        if close:
            return f"did you mean {known[close[0]]}?"
    return f"there are {', '.join(here.values())}"


def _set(record: Any, path: list[str], value: Any) -> Any:  # noqa: ANN401 - any record of the scenario
    """Give the record with one attribute, however deep, replaced."""
    first, *rest = path
    if rest:
        value = _set(getattr(record, first), rest, value)
    if first not in {f.name for f in fields(record)}:
        raise AssertionError(f"bug: {type(record).__name__} has no {first}")
    return replace(record, **{first: value})
