"""Everything that can be wrong with a scenario is said, with its place and its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenario.reading import problems, read
from valkeybench.errors import ScenarioError
from valkeybench.scenario.fields import FIELDS, SECTIONS
from valkeybench.scenario.reader import MOST_CASES, parse_toml, read_scenario
from valkeybench.scenario.tls_fields import OCSP_KEYS

TABLE = Path(__file__).with_name("problems.txt").read_text(encoding="utf-8")
"""Scenarios, and after the arrow what is wrong with each; a blank line in between."""


@pytest.mark.parametrize("entry", TABLE.strip().split("\n\n"))
def test_a_problem_has_place_reason_and_remedy(entry: str) -> None:
    """One thing wrong is one message: where it is, what it is, what to do."""
    toml, _, message = entry.partition("\n=> ")
    assert [f"s.toml: {message}"] == problems(toml)


@pytest.mark.parametrize(
    ("flags", "place", "reason", "remedy"),
    [
        ({"concurrency": "0"}, "--concurrency", "0 is no number of handlers", "use 1 or more"),
        ({"concurrency": "-1"}, "--concurrency", "-1 is no number of handlers", "use 1 or more"),
        ({"concurrency": "5O"}, "--concurrency", "'5O' is no whole number", "use 1 or more"),
        ({"max_conn": "5,0,10"}, "--max-conn", "0 is no pool size", "use 1 or more"),
        ({"max_conn": ""}, "--max-conn", "'' is no whole number", "use 1 or more"),
        (
            {"pool": "none,blokcing"},
            "--pool",
            "'blokcing' is no pool policy",
            "did you mean blocking?",
        ),
        (
            {"prewarm": "maybe"},
            "--prewarm",
            "'maybe' is neither true nor false",
            "write true or false",
        ),
        (
            {"command": ["PING", "KEYS *"]},
            "--command number 2",
            "KEYS acts on the whole server, not on keys of our own",
            "write one like 'GET key:{0..99}'",
        ),
        ({"command": []}, "--command", "the list is empty", "give at least one value"),
    ],
)
def test_a_wrong_flag_is_named_as_it_was_typed(
    flags: dict[str, Any], place: str, reason: str, remedy: str
) -> None:
    """The place of a problem with a flag is the flag; which of them, if it does not say what."""
    assert [f"{place}: {reason}; {remedy}"] == problems(flags=flags)


def test_all_problems_come_at_once() -> None:
    """Nobody has to fix one mistake to hear of the next, wherever they are."""
    found = problems(
        "zzz = 1\n[client]\nmax_connections = [0, 1, -1]\npool = 'x'\n[load]\nduration = 'x'",
        flags={"repeats": "0"},
    )
    assert [
        "s.toml: zzz",
        "s.toml: client.max_connections[0]",
        "s.toml: client.max_connections[2]",
        "s.toml: client.pool",
        "s.toml: load.duration",
        "--repeats",
    ] == [problem.rpartition(": ")[0].partition(":  ")[0] for problem in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = = 1", "s.toml: not TOML: Invalid value (at line 1, column 5); see https://toml.io"),
        ("\n[load\nx = 1", "at line 2, column 6"),
        ("seed = 1\nseed = 2\n", "Cannot overwrite a value (at line 2, column 9)"),
        (f"seed = {'9' * 5000}", "a number is too long"),
        (f"seed = {'[' * 20_000}", "nested too deep"),
    ],
)
def test_what_is_no_toml_is_refused_with_line_and_column(text: str, expected: str) -> None:
    """The parser's own words, with the place in the file."""
    with pytest.raises(ScenarioError) as caught:
        parse_toml(text, source="s.toml")
    (problem,) = caught.value.problems
    assert "s.toml" == problem.place
    assert expected in str(problem)


def test_too_many_cases_are_refused_before_they_are_counted() -> None:
    """Lists that multiply to billions are refused at once; the most that is allowed passes."""
    lists = "[load]\nconcurrency = {0}\nvalue_size = {0}\nprocesses = {1}"
    many = list(range(1, 20_001))
    expected = ["s.toml: makes more than 500 cases; vary less at a time"]

    assert expected == problems(lists.format(many, many[:256]))
    assert expected == problems(f"[load]\nconcurrency = {many[:251]}")  # with a pool and without
    assert MOST_CASES == len(read(f"[load]\nconcurrency = {many[:250]}").cases())


@pytest.mark.parametrize(
    "host",
    ["", "[cache]", "cache:6379", "valkey://u:hunter2@h", "u:hunter2@h", "a b", "a/b", "a\\u0007b"],
)
def test_what_is_no_host_is_refused_without_repeating_it(host: str) -> None:
    """A host stands alone; a whole URL there may hold a password, so it is not shown."""
    (problem,) = problems(f'[server]\nhost = "{host}"\nport = 7000')
    assert problem.startswith("s.toml: server.host: it is no host; write it alone")
    assert "hunter2" not in problem


def test_a_thing_said_twice_is_refused() -> None:
    """Two keys that set the same thing leave open which one counts."""
    toml = f"[server]\npassword = 'hunter2'\npassword_file = '{__file__}'"
    assert [
        "s.toml: server.password_file: sets what s.toml: server.password sets; drop one"
    ] == problems(toml)


def test_a_key_needs_its_certificate(tmp_path: Path) -> None:
    """A client key alone proves nothing; the place is where it was given."""
    key = tmp_path / "key.pem"
    key.touch()

    assert ["--key: a key without its certificate; give the certificate too"] == problems(
        flags={"key": str(key), "tls": "on"}
    )
    assert [
        "s.toml: server.ssl_keyfile: a key without its certificate; give the certificate too"
    ] == problems(f"[server]\ntls = 'on'\nssl_keyfile = '{key}'")
    both = read(flags={"key": str(key), "cert": str(key), "tls": "on"})
    assert (str(key), str(key)) == (both.server.tls.certfile, both.server.tls.keyfile)


# --- no input whatever breaks it ---


@pytest.mark.parametrize(
    "value",
    [
        *[10**5000, -(10**5000), [10**5000], float("nan"), float("inf"), 0, -1, True, None, b"x"],
        *["", "9" * 10_000, "a" * 5000, "\udcff", "\0", "\x1b[31m\n", "~nobody-of-that-name/x"],
        *[{"a": 1}, ["1", 1]],
    ],
    ids=lambda value: type(value).__name__,  # pytest, too, would trip over some of them
)
def test_every_lever_withstands_every_value(value: object) -> None:
    """Each lever takes the value or refuses it with a short line that a terminal can show."""
    for field in FIELDS:
        document: dict[str, Any] = {field.key: value}
        try:
            read_scenario({field.section: document} if field.section else document)
        except ScenarioError as error:
            for problem in error.problems:
                assert str(problem).isprintable()
                assert len(str(problem)) < 300


def test_text_in_another_encoding_is_refused() -> None:
    """Bytes that came in as half a character could be neither sent nor kept."""
    for flag in ("url", "user", "command"):
        word = "PING \udcff"
        (problem,) = problems(flags={flag: [word] if flag == "command" else word})
        assert "it is not text in UTF-8; write it in UTF-8" in problem


def test_the_name_of_a_scenario_can_always_be_kept() -> None:
    """A file may be called anything; what is kept of its name is short and plain."""
    assert "caf\\udce9" == read_scenario({}, name="caf\udce9").name
    assert 60 == len(read_scenario({}, name="x" * 200).name)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["none", "0", "1s", "GET k", "constant 0", "client=0", "shared", "2"])
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_keys = st.sampled_from([field.key for field in FIELDS]) | st.text(max_size=8)
_sections = st.dictionaries(_keys, _values, max_size=4)
_documents = st.dictionaries(
    st.sampled_from([*SECTIONS, "title", "seed"]) | st.text(max_size=8),
    _sections | _values,
    max_size=4,
)


@given(_documents)
@settings(deadline=None, max_examples=500)
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    """Whatever stands in a file, reading gives a scenario or names its problems."""
    try:
        scenario = read_scenario(document)
    except ScenarioError as error:
        assert error.problems  # noqa: PT017 - there must be one, whichever it is
    else:
        assert 1 <= len(scenario.cases()) <= MOST_CASES


_flags = st.sampled_from([field for field in FIELDS if field.flags])


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_any_flag_is_read_or_refused(data: st.DataObject) -> None:
    """The same for whatever is typed."""
    word = st.text(max_size=12) | st.sampled_from(["1,2", "none", "on", "5s", "GET k @2"])
    flags: dict[str, Any] = {
        field.parameter: data.draw(st.lists(word, max_size=2) if field.many else word)
        for field in data.draw(st.lists(_flags, max_size=3))
    }
    try:
        scenario = read_scenario({}, flags=flags)
    except ScenarioError as error:
        assert error.problems  # noqa: PT017 - as above
    else:
        assert scenario.cases()


@pytest.mark.parametrize("key", sorted(OCSP_KEYS))
def test_ocsp_is_refused_and_not_taken_for_a_slip(key: str) -> None:
    """redis-py has it, and we say that and why we have not."""
    (said,) = problems(f"[server]\n{key} = true")
    assert said.startswith(f"s.toml: server.{key}: OCSP is not supported; leave it out: ")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("nothing", "it holds no certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----", "it holds a private key"),
    ],
)
def test_ca_data_is_certificates_and_nothing_else(data: str, reason: str) -> None:
    """It is kept in the result, so a key has no business there; and it is not repeated."""
    (said,) = problems(f'[server]\nssl_ca_data = """{data}"""')
    assert f"s.toml: server.ssl_ca_data: {reason}" in said
    assert "BEGIN" not in said
