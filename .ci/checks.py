"""What counts as green: the judgements of `.ci/run` that are more than an exit code.

    checks.py readme README.md             print the test command the README gives
    checks.py few-failed JUNIT_XML         print which tests failed: few enough to run them again
    checks.py tests JUNIT_XML [AGAIN_XML]  tests ran, and none was skipped for want of something
    checks.py run-file OUT_JSON            a run was kept whole
    checks.py scenarios LISTING FOLDER     every scenario we ship is listed
    checks.py summary JUNIT_XML [AGAIN_XML]  print the closing line
    checks.py tls-server                   a server with TLS is there for the tests
    checks.py backports CODENAME SOURCES   print apt sources, rewritten to the backports
    checks.py pinned CONSTRAINTS           everything installed here is of the version listed there

Standard library only: it also runs before anything is installed; but for `tls-server`, which
asks the package itself.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ALLOWED_SKIPS: tuple[str, ...] = (
    # A delay in the kernel needs root, its tools, and a kernel built with sch_netem; the emulated
    # one is tested everywhere.
    r"^netem: ",
)
"""Patterns of reasons for which a test may be skipped on a machine that runs all checks."""

MOST_AGAIN = 3
"""How many failed tests are worth a second look; more have a fault in common."""

_TEST_COMMAND = re.compile(r"^<!-- tests -->\n+```[a-z]*\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


class CheckError(Exception):
    """The check says no, and why."""


def readme_command(text: str) -> str:
    """Give the one command in the fenced block under `<!-- tests -->`; raises CheckError."""
    blocks: list[str] = _TEST_COMMAND.findall(text)
    if len(blocks) != 1:
        raise CheckError(f"README: {len(blocks)} blocks marked <!-- tests -->; there must be one")
    commands = [line.strip() for line in blocks[0].splitlines() if line.strip()]
    if len(commands) != 1:
        raise CheckError(f"README: {len(commands)} lines under <!-- tests -->; there must be one")
    return commands[0]


def outcomes(junit_xml: str) -> Counter[str]:
    """Count the test cases of a JUnit file that passed, failed, were skipped or expected to fail.

    Raises CheckError when one was skipped for a reason nobody allowed.
    """
    counts: Counter[str] = Counter()
    forbidden = []
    for case in _cases(junit_xml):
        outcome = _outcome(case)
        counts[outcome] += 1
        if outcome == "skipped" and not _is_allowed(_reason(case)):
            forbidden.append(f"  {case.get('classname')}.{case.get('name')}: {_reason(case)}")
    if forbidden:
        raise CheckError("\n".join(["skipped, and must not be:", *forbidden]))
    return counts


def _cases(junit_xml: str) -> Iterable[ET.Element]:
    # Written by our own pytest a moment ago.
    return ET.fromstring(junit_xml).iter("testcase")  # noqa: S314 - no stranger's file


def _outcome(case: ET.Element) -> str:
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def _reason(case: ET.Element) -> str:
    skipped = case.find("skipped")
    return "" if skipped is None else skipped.get("message", "")


def _is_allowed(reason: str) -> bool:
    return any(re.search(pattern, reason) for pattern in ALLOWED_SKIPS)


def check_tests(counts: Counter[str]) -> str:
    """Give the closing line; raises CheckError when a test failed or none passed."""
    if counts["failed"] or not counts["passed"]:
        raise CheckError(f"tests: {counts['passed']} passed, {counts['failed']} failed")
    return f"{counts['passed']} passed, 0 failed, {counts['skipped']} skipped"


def few_failed(junit_xml: str) -> str:
    """Name the tests that failed; raises CheckError when none did, or too many."""
    failed = (case for case in _cases(junit_xml) if _outcome(case) == "failed")
    names = [f"  {case.get('classname')}.{case.get('name')}" for case in failed]
    if not 0 < len(names) <= MOST_AGAIN:
        raise CheckError(f"tests: {len(names)} failed, at most {MOST_AGAIN} are run again")
    return "\n".join(["run again, alone:", *names])


def merged(first: Counter[str], again: Counter[str] | None) -> Counter[str]:
    """Let what failed tests did when they ran again, alone, stand for what they did first.

    Raises CheckError when other tests ran again than had failed.
    """
    if again is None:
        return first
    if again.total() != first["failed"]:
        raise CheckError(f"tests: {first['failed']} failed, and {again.total()} ran again")
    return Counter({**first, "failed": 0}) + again


def check_run_file(text: str) -> str:
    """Say what a run file holds; raises CheckError unless it is complete and recommends."""
    try:
        kept = json.loads(text, parse_constant=_no_such_number)
    except ValueError as error:
        raise CheckError(f"run file: no JSON: {error}") from error
    if not isinstance(kept, dict) or kept.get("status") != "complete":
        raise CheckError('run file: its "status" is not "complete"')
    recommendations: Any = kept.get("recommendations")
    if not isinstance(recommendations, list) or not recommendations:
        raise CheckError("run file: it holds no list of recommendations")
    return f"run file: complete, {len(recommendations)} recommendation(s)"


def _no_such_number(name: str) -> NoReturn:
    raise CheckError(f"run file: {name} is not JSON")


def check_scenarios(listing: str, shipped: Iterable[str]) -> str:
    """Say how many scenarios are listed; raises CheckError when one we ship is missing."""
    names = sorted(shipped)
    missing = [n for n in names if not re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", listing)]
    if missing or not names:
        raise CheckError(f"scenarios: {len(names)} shipped, not listed: {', '.join(missing)}")
    return f"scenarios: all {len(names)} listed"


def check_tls_server() -> str:
    """Say which server speaks TLS; raises CheckError when none does."""
    # Installed by the tests' own command.
    from valkeybench.server.binary import find_tls_binary  # noqa: PLC0415 - see above

    binary = find_tls_binary()
    if binary is None:
        raise CheckError("no server with TLS: the tests of TLS have nothing to run against")
    return f"TLS: {binary}"


def backports(sources: str, codename: str) -> str:
    """Keep the apt sources that carry a release, and let them carry its backports instead.

    Knows both forms: stanzas with a `Suites` field, and lines of `deb`.
    """
    name = re.escape(codename)
    stanzas = []
    for stanza in re.split(r"\n(?:[ \t]*\n)+", sources):
        suites = re.search(r"^Suites:(.*)$", stanza, re.MULTILINE | re.IGNORECASE)
        if suites and codename in suites[1].split():
            rest = stanza[suites.end() :].strip("\n")
            stanzas.append(f"{stanza[: suites.start()]}Suites: {codename}-backports\n{rest}\n")
    lines = re.findall(rf"^(deb\s(?:\[.*\]\s*)?\s*\S+\s+){name}(\s.*)$", sources, re.MULTILINE)
    return "\n".join(
        [*stanzas, *(f"{before}{codename}-backports{after}\n" for before, after in lines)]
    )


_NOT_PINNED = {"pip", "setuptools", "wheel", "valkeybench"}
"""What comes with a virtual environment, and what is checked itself."""


def check_pinned(constraints: str, installed: Mapping[str, str]) -> str:
    """Say how many packages are pinned; raises CheckError when one is not, or is another version.

    `installed` is the version of each package by its name.
    """
    pinned = {
        name: version
        for name, separator, version in (line.partition("==") for line in constraints.split())
        if separator
    }
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in installed.items()}
    wrong = [
        f"  {name}=={version}, pinned is {pinned.get(name) or 'no version'}"
        for name, version in sorted(found.items())
        if name not in _NOT_PINNED and pinned.get(name) != version
    ]
    if wrong or not pinned:
        raise CheckError("\n".join(["installed, and not as constraints.txt has it:", *wrong]))
    return f"{len(found.keys() - _NOT_PINNED)} packages, all of the versions listed"


def _installed() -> dict[str, str]:
    return {each.metadata["Name"]: each.version for each in distributions()}


def _check_all(path: str, *again: str) -> str:
    first = outcomes(_read(path))
    said = check_tests(merged(first, outcomes(_read(again[0])) if again else None))
    return f"{said}; {first['failed']} of them passed only alone" if again else said


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Run one check: print what it found, or say no on standard error and give 1."""
    checks: dict[str, Callable[..., str]] = {
        "readme": lambda path: readme_command(_read(path)),
        "few-failed": lambda path: few_failed(_read(path)),
        "tests": _check_all,
        "summary": _check_all,
        "run-file": lambda path: check_run_file(_read(path)),
        "scenarios": lambda listing, folder: check_scenarios(
            _read(listing), (path.stem for path in Path(folder).glob("*.toml"))
        ),
        "tls-server": check_tls_server,
        "pinned": lambda path: check_pinned(_read(path), _installed()),
        "backports": lambda codename, path: backports(_read(path), codename),
    }
    name, *paths = arguments
    try:
        print(checks[name](*paths))
    except (CheckError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
