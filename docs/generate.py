"""Writes the pages of the reference, which are made from the code.

    python -m docs.generate          write docs/reference/*.md anew

A test compares what is kept with what this makes, so they cannot drift apart.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from docs.command_line import choices, cli_page
from docs.markdown import table
from valkeybench.analysis.finding import Code
from valkeybench.analysis.metric import COUNTS, STATS, TOTALS
from valkeybench.errors import ExitCode
from valkeybench.measurement.metrics import PARTS, FailureKind, Phase
from valkeybench.results import runfile
from valkeybench.results.record import Record
from valkeybench.scenario.fields import FIELDS, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valkeybench.scenario.field import Field

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"

_NOTE = "<!-- Made from the code by `python -m docs.generate`; changes by hand are lost. -->"


def pages() -> dict[str, str]:
    """Make every page of the reference, by its file name."""
    made = {
        "metrics.md": metrics_page(),
        "scenario.md": scenario_page(),
        "cli.md": cli_page(),
        "exit-codes.md": exit_codes_page(),
        "result-file.md": result_file_page(),
    }
    return {name: f"{_NOTE}\n\n{text.rstrip()}\n" for name, text in made.items()}


# --- metrics ---


_METRICS = Template("""\
# Metrics

Limits (`--fail-if`, `--slo`), `compare --metric` and result files call a number by these names:
`PHASE.STATISTIC`, or the name of a total.

## Phases

Where a command's time goes. Durations are kept as integer nanoseconds in HDR histograms (1 ns to
1 h, three significant digits). A phase that did not happen is not recorded. `service` is, command
by command, the sum of the parts.

$phases

Statistics of each: $stats. Percentiles of several trials or processes are those of their merged
histograms, never an average. The phase `failed` is in result files only: no limit speaks of it.

## Totals

$totals

`attempted` is `completed` + `failed` + `unfinished` + `dropped`. Counts in a limit may be a share
of it: `failed > 0.1%`.

## Failures

Each kind is a total of its own; `failed` is their sum.

$failures

## Warnings

Codes of what can limit the meaning of a run's numbers, the most important first. Scripts may match
on them; each comes with what was seen and what to do. $codes.
""")


def metrics_page() -> str:
    """Say what every number of a measurement is, and in which unit."""
    meanings = _fields_of(runfile.Summary)
    totals = [name for name in TOTALS if name not in set(FailureKind)]
    units = {"throughput": "per second", "fairness": "0 to 1"} | dict.fromkeys(COUNTS, "count")
    return _METRICS.substitute(
        phases=table(
            ("phase", "kind", "from → to"),
            [(f"`{each}`", _kind(each), each.meaning) for each in Phase],
        ),
        stats=", ".join(f"`{each}`" for each in STATS),
        totals=table(
            ("total", "unit", "meaning"),
            [(f"`{name}`", units[name], meanings[name][1]) for name in totals],
        ),
        failures=table(
            ("kind", "what happened"), [(f"`{each}`", each.meaning) for each in FailureKind]
        ),
        codes=", ".join(f"`{each}`" for each in Code),
    )


def _kind(phase: Phase) -> str:
    if phase in PARTS:
        return "part"
    return "whole" if phase in (Phase.SERVICE, Phase.RESPONSE) else "beside"


# --- scenario files ---


_SCENARIO = Template("""\
# Scenario files

A scenario is a TOML file. `valkeybench run FILE.toml` runs it, flags override it, and `valkeybench
scenarios --schema` prints its JSON Schema. Keys marked *list* take one value or several; every
combination of these is a case.

## At the top

$top

$sections

## One that ships

`scenarios/undersized.toml`:

```toml
$shipped
```
""")


def scenario_page() -> str:
    """List every key of a scenario file, with its flag."""
    sections = [
        f"## `[{section}]`\n\n{_keys(f for f in FIELDS if f.section == section)}"
        for section in SECTIONS
    ]
    return _SCENARIO.substitute(
        top=_keys(field for field in FIELDS if not field.section),
        sections="\n\n".join(sections),
        shipped=(ROOT / "scenarios/undersized.toml").read_text(encoding="utf-8").strip(),
    )


def _keys(fields: Iterable[Field]) -> str:
    rows = [
        (
            f"`{field.key}`",
            _value(field) + (", list" if field.axis else ""),
            f"`{field.flags[0]}`" if field.flags else "",
            f"`{field.default}`" if field.default else "",
            field.help,
        )
        for field in fields
    ]
    return table(("key", "value", "flag", "default", "meaning"), rows)


def _value(field: Field) -> str:
    words = choices(field)
    if words:
        return ", ".join(f"`{word}`" for word in words)
    shape = field.kind.schema.get("type")
    known = {"integer": "whole number", "boolean": "true or false"}
    word = known.get(shape, "text") if isinstance(shape, str) else "text or number"
    return f"{word}s" if field.many else word


# --- exit codes and result files ---


_EXIT_CODES = Template("""\
# Exit codes

$codes

Whatever stops a command is said in one message on standard error: what is wrong, where, and what to
do. A command of the load that fails is data and stops nothing. `VALKEYBENCH_TRACE=1` shows where a
bug of ours happened.
""")


def exit_codes_page() -> str:
    """List what the shell is told."""
    rows = [(str(int(each)), each.meaning) for each in ExitCode]
    return _EXIT_CODES.substitute(codes=table(("code", "means"), rows))


_RESULT_FILE = Template("""\
# Result files

A run is kept as one JSON file (`-o FILE`, `--json`, or `results/<utc>-<name>.json`), written anew
beside itself and put in place after every trial. `valkeybench report --schema` prints the JSON
Schema every one obeys. What is not known is `null`; there is no NaN or Infinity. `Count` and
`Nanoseconds` are whole numbers from 0 up, `Share` is a number from 0 up. No password is ever in it.

$records

## Histograms

`histograms` holds, for each phase, the base64 of an HdrHistogram V2 with compressed counts, as
every HdrHistogram library reads it; values are nanoseconds. `valkeybench report RUN.json -o
FILE.hlog` writes them as a log.
""")


def result_file_page() -> str:
    """Describe the records of a run file, the outermost first."""
    parts = []
    for record in _records(runfile.RunFile):
        rows = [
            (f"`{name}`", f"`{kind}`", said) for name, (kind, said) in _fields_of(record).items()
        ]
        words = inspect.cleandoc(record.__doc__ or "")
        keys = table(("key", "value", "meaning"), rows)
        parts.append(f"## {record.__name__}\n\n{words}\n\n{keys}")
    return _RESULT_FILE.substitute(records="\n\n".join(parts))


def _records(first: type[Record]) -> list[type[Record]]:
    """Give a record and all that it holds, each once, in the order they are met."""
    found = [first]
    for record in found:
        words = " ".join(kind for kind, _ in _fields_of(record).values())
        for name in re.findall(r"\w+", words):
            held = getattr(runfile, name, None)
            if inspect.isclass(held) and issubclass(held, Record) and held not in found:
                found.append(held)
    return found


def _fields_of(record: type[Record]) -> dict[str, tuple[str, str]]:
    """Give the type and the docstring of every field, those it inherits first."""
    found: dict[str, tuple[str, str]] = {}
    for each in reversed(record.__mro__):
        if issubclass(each, Record) and each is not Record:
            found |= _own_fields(each)
    return found


def _own_fields(record: type[Record]) -> dict[str, tuple[str, str]]:
    [tree] = ast.parse(inspect.getsource(record)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - what the source of a class is
    found: dict[str, tuple[str, str]] = {}
    last = ""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=attribute), annotation=kind):
                last = record.model_fields[attribute].alias or attribute
                found[last] = (_type(kind), "")
            case ast.Expr(value=ast.Constant(value=str(said))) if last:
                words = re.sub(r"\bNone\b", "`null`", " ".join(said.split()))
                found[last] = (found[last][0], words)
    return found


def _type(kind: ast.expr) -> str:
    """Write a type without what only the checks of pydantic need."""
    match kind:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[shape, *_])):
            return _type(shape)
        case ast.BinOp(left=left, right=right):
            return f"{_type(left)} | {_type(right)}"
        case ast.Constant(value=None):
            return "null"
        case ast.Subscript(value=ast.Name(id="Literal")):
            return ast.unparse(kind.slice).strip("()").replace(", ", " | ").replace("'", '"')
    return ast.unparse(kind).replace("JsonValue", "JSON")


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
