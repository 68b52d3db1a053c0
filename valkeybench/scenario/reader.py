"""Reads a scenario from a TOML document and flags, and reports every problem at once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.fields import FIELDS, SECTIONS, Field
from valkeybench.scenario.kinds import UnfitError, did_you_mean
from valkeybench.scenario.model import Scenario, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_CASES = 500



def parse_toml(text: str, *, source: str) -> dict[str, Any]:
    """Parse a scenario file; raises ScenarioError naming line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError.one(source, f"not TOML: {error}", "see https://toml.io") from None


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
    values = _from_environment(environment or {})
    values |= reading.document(document)
    values |= reading.flags(flags or {})
    scenario = _assemble(replace(Scenario(), name=name), values, reading)
    reading.check(scenario)
    if reading.problems:
        raise ScenarioError(reading.problems)
    return scenario


@dataclass(frozen=True, slots=True)
class _Given:
    """A converted value, and where it came from."""

    place: str
    value: Any


class _Reading:
    """One reading of one scenario: collects problems as it goes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def note(self, place: str, reason: str, remedy: str = "") -> None:
        self.problems.append(Problem(place, reason, remedy))

    def document(self, document: Mapping[str, Any]) -> dict[str, _Given]:
        """Convert everything a document holds, by target."""
        by_path = {field.path: field for field in FIELDS}
        found = {}
        for path, value in self._flatten(document):
            if path not in by_path:
                known = [p for p in by_path if p.count(".") == path.count(".")]
                self.note(self._place(path), "unknown key", did_you_mean(path, known))
                continue
            field = by_path[path]
            converted = list(self._converted(field, value, self._place(path)))
            if len(converted) == 1:
                found[field.target] = _Given(self._place(path), converted[0])
        return found

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
            converted = list(self._converted(field, value, field.flags[0]))
            if len(converted) == 1:
                found[field.target] = _Given(field.flags[0], converted[0])
        return found

    def check(self, scenario: Scenario) -> None:
        """Look for what is fine alone and wrong together."""
        cases = scenario.cases()
        if len(cases) > MOST_CASES:
            self.note(
                self._source, f"{len(cases)} cases are too many", f"vary less: {MOST_CASES} at most"
            )
        if not scenario.commands:
            self.note(self._place("load.commands"), "there is no command", "name one, like PING")
        tls = scenario.server.tls
        if tls.keyfile and not tls.certfile:
            self.note("--key", "a key without its certificate", "give --cert too")

    def _flatten(self, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in document.items():
            if key in SECTIONS and isinstance(value, dict):
                for inner, held in value.items():
                    yield f"{key}.{inner}", held
            elif isinstance(value, dict):
                self.note(self._place(key), "unknown section", did_you_mean(key, SECTIONS))
            elif key in SECTIONS:
                self.note(self._place(key), "is a section, not a value", f"write [{key}]")
            else:
                yield key, value

    def _converted(self, field: Field, value: object, place: str) -> Iterator[Any]:
        """Convert one value, or each of a list; yield nothing when any was unfit."""
        if not (field.axis or field.many):
            yield from self._convert(field, value, place)
            return
        items = value if isinstance(value, list) else [value]
        if not items:
            self.note(place, "the list is empty", "give at least one value")
            return
        several = len(items) > 1
        converted = []
        for index, item in enumerate(items):
            converted += self._convert(field, item, f"{place}[{index}]" if several else place)
        if len(converted) == len(items):
            yield tuple(dict.fromkeys(converted)) if field.axis else tuple(converted)

    def _convert(self, field: Field, value: object, place: str) -> Iterator[Any]:
        try:
            yield field.kind.convert(value)
        except UnfitError as error:
            self.note(place, error.reason, error.remedy)

    def _place(self, path: str) -> str:
        return f"{self._source}: {path}"


def _from_environment(environment: Mapping[str, str]) -> dict[str, _Given]:
    found = {}
    if environment.get("VALKEYBENCH_URL"):
        found["server.url"] = _Given("VALKEYBENCH_URL", environment["VALKEYBENCH_URL"])
    if environment.get("VALKEYBENCH_PASSWORD"):
        secret = Secret(environment["VALKEYBENCH_PASSWORD"])
        found["server.password"] = _Given("VALKEYBENCH_PASSWORD", secret)
    return found


def _assemble(scenario: Scenario, values: dict[str, _Given], reading: _Reading) -> Scenario:
    """Put the values in, one dotted target at a time."""
    host, port = values.pop("host", None), values.pop("port", None)
    if host is not None and "server.url" not in values:
        shown = f"[{host.value}]" if ":" in host.value else host.value
        url = f"valkey://{shown}" + (f":{port.value}" if port is not None else "")
        values["server.url"] = _Given(host.place, url)
    elif port is not None and "server.url" not in values:
        reading.note(port.place, "a port without a host", "give server.host, or a url")
    insecure = values.pop("insecure", None)
    if insecure is not None:
        values["server.tls.verify"] = _Given(insecure.place, not insecure.value)
    for target, given in values.items():
        scenario = _set(scenario, target.split("."), given.value)
    return scenario


def _set(record: Any, path: list[str], value: Any) -> Any:  # noqa: ANN401 - any record of the scenario
    """Give the record with one attribute, however deep, replaced."""
    first, *rest = path
    if rest:
        value = _set(getattr(record, first), rest, value)
    if not is_dataclass(record) or first not in {f.name for f in fields(record)}:
        raise AssertionError(f"bug: {type(record).__name__} has no {first}")
    return replace(record, **{first: value})
