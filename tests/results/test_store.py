"""A run file is always whole, and what is read back is a run or a message."""

from __future__ import annotations

import json
import os
import resource
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from stat import S_IMODE
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema import ValidationError as SchemaError

from tests.runs import case_record, run_file
from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.runfile import RunFile, RunWarning, json_schema
from valkeybench.results.store import (
    LARGEST_FILE,
    check_replaceable,
    default_path,
    place_for,
    read_run,
    write_run,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Draft202012Validator(json_schema())


@cache
def a_run() -> RunFile:
    """Make a run with a bit of everything."""
    small: dict[str, Any] = {"repeats": 1, "duration_ms": 20}
    return run_file(
        case_record("none", **small),
        case_record("blocking", 3, failures={"reset": 2}, unfinished=1, **small),
        case_record("raising", 3, repeats=0),
        warnings=[RunWarning(code="c", message="m", remedy="r")],
    )


def a_document() -> dict[str, Any]:
    """Give the same as JSON, to be spoilt at will."""
    made: dict[str, Any] = json.loads(a_run().model_dump_json(by_alias=True))
    return made


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Have another file mode creation mask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def names(directory: Path) -> list[str]:
    """Give what a directory holds, hidden files included."""
    return sorted(path.name for path in directory.iterdir())


# --- writing ---


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """A run survives, and nothing else is left in the directory."""
    path = tmp_path / "run.json"
    write_run(a_run(), path)

    assert a_run() == read_run(path)
    assert ["run.json"] == names(tmp_path)
    assert path.read_text(encoding="utf-8").endswith("}\n")


def test_writing_again_replaces(tmp_path: Path) -> None:
    """The file is the run as it stands, after every trial."""
    path = tmp_path / "run.json"
    write_run(a_run(), path)
    later = a_run().model_copy(update={"status": "failed"})
    write_run(later, path)

    assert "failed" == read_run(path).status
    assert ["run.json"] == names(tmp_path)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """The old file stays whole, no half of a new one stays, and the reader hears why."""
    path = tmp_path / "run.json"
    write_run(a_run(), path)
    later = a_run().model_copy(update={"status": "failed"})
    with files_no_longer_than(1000), pytest.raises(ResultError) as caught:
        write_run(later, path)

    assert f"the result could not be written to {path}: File too large" == caught.value.message
    assert "make room there, or name another place with --output" == caught.value.remedy
    assert a_run() == read_run(path)
    assert ["run.json"] == names(tmp_path)


def test_an_interrupt_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of writing is a Ctrl-C, and no half of a file stays."""
    path = tmp_path / "run.json"
    path.write_text("old", encoding="utf-8")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_run(a_run(), path)

    assert "old" == path.read_text(encoding="utf-8")
    assert ["run.json"] == names(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file/run.json", "Not a directory"),
        ("gone/run.json", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_a_result_error(tmp_path: Path, name: str, reason: str) -> None:
    """One message: which file, and why."""
    (tmp_path / "file").touch()
    with pytest.raises(ResultError) as caught:
        write_run(a_run(), tmp_path / name)

    assert caught.value.message.startswith(f"the result could not be written to {tmp_path / name}:")
    assert reason in caught.value.message
    assert ["file"] == names(tmp_path)


def test_only_ordinary_files_are_replaced(tmp_path: Path) -> None:
    """A directory, a pipe or a device is left alone: renaming over it would destroy it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(ResultError, match="no ordinary file"):
            write_run(a_run(), path)
    assert pipe.is_fifo()
    assert ["pipe"] == names(tmp_path)


@pytest.mark.parametrize("leads_to", ["far/there", "far/not-yet", "far", "link"])
def test_a_link_is_never_followed(tmp_path: Path, leads_to: str) -> None:
    """Before the load and at its end: whoever made the link would choose what is replaced."""
    far, link = tmp_path / "far", tmp_path / "link"
    far.mkdir()
    (far / "there").write_text("theirs", encoding="utf-8")
    link.symlink_to(tmp_path / leads_to)
    remedy = "name the file itself, or use --json to write to a pipe or device"
    assert f"--output: {link} is a symbolic link; {remedy}" == complaint(link)
    with pytest.raises(ScenarioError, match="is a symbolic link"):
        check_replaceable(link)
    with pytest.raises(ScenarioError, match="is a symbolic link"):
        write_text("ours", link)
    with pytest.raises(ResultError, match="it is a symbolic link"):
        write_run(a_run(), link)
    assert link.is_symlink()
    assert ["there"] == names(far)
    assert "theirs" == (far / "there").read_text(encoding="utf-8")


def test_a_link_that_comes_meanwhile_is_replaced_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and writing: the file it leads to stays as it was."""
    target, link = tmp_path / "theirs", tmp_path / "run.json"
    target.write_text("theirs", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", lambda _: link.symlink_to(target))
    write_run(a_run(), link)
    assert not link.is_symlink()
    assert a_run() == read_run(link)
    assert "theirs" == target.read_text(encoding="utf-8")


def test_directories_on_the_way_may_be_links(tmp_path: Path) -> None:
    """Results may live on another disk; a user chooses the directory, and it is seen whole."""
    (tmp_path / "far").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "far")
    with place_for(tmp_path / "results" / "run.json", make_directory=True):
        write_run(a_run(), tmp_path / "results" / "run.json")
    assert ["run.json"] == names(tmp_path / "far")


def test_a_new_file_has_the_users_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    """As any program's file: the mask for a new one, and what was guarded stays guarded."""
    path = tmp_path / "run.json"
    with umask(0o027):
        write_run(a_run(), path)
    assert 0o640 == S_IMODE(path.stat().st_mode)

    path.chmod(0o600)
    with umask(0o022):
        write_run(a_run(), path)
    assert 0o600 == S_IMODE(path.stat().st_mode)


# --- before the load starts ---


def complaint(path: Path, *, make_directory: bool = False) -> str:
    """Say what stands in the way of writing there."""
    with (
        pytest.raises(ScenarioError) as caught,
        place_for(path, make_directory=make_directory),
    ):
        pytest.fail("it cannot be kept")
    (problem,) = caught.value.problems
    return str(problem)


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    """Looking leaves nothing behind and harms nothing, whoever made the directory."""
    (tmp_path / "old.json").write_text("old", encoding="utf-8")
    (tmp_path / "theirs").mkdir()
    places = {"new.json": False, "old.json": False, "theirs/new.json": True}
    for place, make_directory in places.items():
        with place_for(tmp_path / place, make_directory=make_directory):
            pass
    with place_for(None, make_directory=True):
        pass

    assert ["old.json", "theirs"] == names(tmp_path)
    assert [] == names(tmp_path / "theirs")
    assert "old" == (tmp_path / "old.json").read_text(encoding="utf-8")


def test_a_directory_made_for_a_result_stays_only_with_one(tmp_path: Path) -> None:
    """However it ends; what somebody else put there meanwhile stays as well."""
    run = tmp_path / "a" / "b" / "new.json"

    def interrupted() -> None:
        with place_for(run, make_directory=True):
            assert run.parent.is_dir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [] == names(tmp_path)
    with place_for(run, make_directory=True):
        run.write_text("kept", encoding="utf-8")
    assert ["new.json"] == names(run.parent)
    other = tmp_path / "c" / "d" / "new.json"
    with place_for(other, make_directory=True):
        (tmp_path / "c" / "theirs").touch()
    assert ["theirs"] == names(tmp_path / "c")


def test_what_stands_in_the_way_is_said_before_the_load(tmp_path: Path) -> None:
    """Each obstacle has its own words and its own remedy."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    gone, elsewhere = tmp_path / "gone", "name another place with --output"

    assert f"--output: there is no directory {gone}; create it: mkdir -p {gone}" == complaint(
        gone / "run.json"
    )
    assert f"--output: {tmp_path} is a directory; name a file in it" == complaint(tmp_path)
    assert (
        f"--output: {tmp_path}/pipe is no ordinary file; use --json to write to a pipe or device"
        == complaint(tmp_path / "pipe")
    )
    assert (
        f"--output: {tmp_path}/file/run.json cannot be written (Not a directory); {elsewhere}"
        == complaint(tmp_path / "file" / "run.json")
    )
    assert (
        f"--output: {tmp_path}/file/run.json cannot be written (File exists); {elsewhere}"
        == complaint(tmp_path / "file" / "run.json", make_directory=True)
    )
    assert "(File name too long)" in complaint(tmp_path / ("x" * 300))


def test_a_device_is_never_written_over() -> None:
    """Nobody loses /dev/null by asking for no output."""
    assert "--output: /dev/null is no ordinary file" in complaint(Path("/dev/null"))


@pytest.mark.parametrize("hours", [0, 5, -8])
def test_a_run_is_kept_by_time_and_name(hours: int) -> None:
    """In the directory for results, by the time in UTC wherever we are."""
    created = datetime(2026, 1, 2, 3, 4, 5, 678, UTC).astimezone(timezone(timedelta(hours=hours)))
    assert Path("results/20260102T030405Z-sweep.json") == default_path("sweep", created)


# --- reading ---


def wrong(path: Path, content: bytes) -> str:
    """Say what is wrong with a file of that content, leaving its name out."""
    path.write_bytes(content)
    with pytest.raises(ResultError) as caught:
        read_run(path)
    return caught.value.message.removeprefix(f"{path} ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not JSON: "),
        (b"{,}", "is not JSON: "),
        (b'{"schema_version": NaN}', "is not JSON: "),
        (b'{"schema_version": Infinity}', "is not JSON: "),
        (b"\xff\xfe", "is not JSON: "),
        (b'{"schema_version": "\xff"}', "is not JSON: "),
        (b'{"a": "\\ud800"}', "is not JSON: "),
        (b"[" * 100_000, "is not JSON: "),
        (b'{"a":' * 100_000, "is not JSON: "),
        (b"9" * 5000, "is not JSON: "),
        (b"{}", "is not a run file of schema version 1 (it says None)"),
        (b"[]", "is not a run file of schema version 1 (it says None)"),
        (b'"run"', "is not a run file of schema version 1 (it says None)"),
        (b'{"schema_version": 2}', "is not a run file of schema version 1 (it says 2)"),
        (b'{"schema_version": "1"}', "is not a run file of schema version 1 (it says '1')"),
        (b'{"schema_version": 1}', "is not a valid run file: tool: Field required (and 7 more)"),
    ],
)
def test_what_is_no_run_file_is_said(tmp_path: Path, content: bytes, expected: str) -> None:
    """No JSON, another version, something missing: one message, with the place."""
    assert wrong(tmp_path / "run.json", content).startswith(expected)


def test_a_message_is_short_whatever_is_in_the_file(tmp_path: Path) -> None:
    """A file full of nonsense does not fill the screen."""
    nonsense = b'"' + b"x" * 100_000 + b'"'
    assert len(wrong(tmp_path / "a", b'{"schema_version": ' + nonsense + b"}")) < 250
    assert len(wrong(tmp_path / "b", b'{"schema_version": 1, ' + nonsense + b": 1}")) < 250
    deep = b"[" * 150 + b"]" * 150
    unknown = b'{"schema_version": 1, "environment": {"a": ' + deep + b', "b": 1e999}}'
    assert len(wrong(tmp_path / "c", unknown)) < 250


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Missing, a directory, or far too large to be looked into."""
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    expected = [
        f"{tmp_path / 'gone'} cannot be read: No such file or directory",
        f"{tmp_path} cannot be read: Is a directory",
        f"{huge} is too large to be a run file",
    ]
    seen = []
    for path in (tmp_path / "gone", tmp_path, huge):
        with pytest.raises(ResultError) as caught:
            read_run(path)
        seen.append(caught.value.message)

    assert expected == seen


# --- the shape that is promised ---


def test_the_published_schema_is_valid_and_fits() -> None:
    """It is a JSON Schema of draft 2020-12, and a run obeys it."""
    Draft202012Validator.check_schema(json_schema())
    assert json_schema() == json.loads(json.dumps(json_schema()))
    SCHEMA.validate(a_document())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["status"], "done"),
        (["extra"], 1),
        (["schema_version"], 2),
        (["schema_version"], True),
        (["tool"], {"name": "valkeybench"}),
        (["cases", 0, "extra"], 1),
        (["cases", 0, "summary"], {}),
        (["cases", 0, "summary", "completed"], -1),
        (["cases", 0, "summary", "completed"], "7"),
        (["cases", 0, "summary", "completed"], 7.5),
        (["cases", 0, "summary", "phases", "service", "count"], 0),
        (["cases", 0, "trials", 0, "handlers"], [None]),
        (["warnings", 0, "remedy"], None),
    ],
)
def test_a_broken_run_breaks_the_schema_and_is_not_read(
    tmp_path: Path, place: list[str | int], value: object
) -> None:
    """Another type, a missing or unknown key, a number out of range: both say no."""
    broken: Any = a_document()
    *way, last = place
    reduce(getitem, way, broken)[last] = value
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken), encoding="utf-8")

    with pytest.raises(SchemaError):
        SCHEMA.validate(broken)
    with pytest.raises(ResultError):
        read_run(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("place", ['"throughput":', '"p":'])
def test_what_is_no_number_is_not_read(tmp_path: Path, number: str, place: str) -> None:
    """Neither where a number belongs nor where anything may stand."""
    with_place = {**a_document(), "environment": {"p": 0}}
    head, _, tail = json.dumps(with_place, separators=(",", ":")).partition(place)
    rest = tail.lstrip("0123456789.e-")
    path = tmp_path / "run.json"
    path.write_text(f"{head}{place}{number}{rest}", encoding="utf-8")
    with pytest.raises(ResultError):
        read_run(path)
    path.write_text(f"{head}{place}1{rest}", encoding="utf-8")
    assert "complete" == read_run(path).status


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_written(number: float) -> None:
    """A record refuses it, so that no file can hold it."""
    run = a_run()
    summary = run.cases[0].summary
    assert summary is not None
    for record, field in ((summary, "throughput"), (summary.phases["service"], "mean_ns")):
        with pytest.raises(ValueError, match="finite"):
            type(record).model_validate({**record.model_dump(), field: number})
    with pytest.raises(ValueError, match="finite"):
        RunFile.model_validate({**run.model_dump(by_alias=True), "environment": {"a": [number]}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_a_run_with_anything_in_it_is_valid_or_refused(data: st.DataObject) -> None:
    """Whatever stands in whatever place, what is read obeys the schema."""
    spoilt: Any = a_document()
    place, deeper = spoilt, True
    while deeper:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        deeper = (
            bool(place[key]) and isinstance(place[key], dict | list) and data.draw(st.booleans())
        )
        if deeper:
            place = place[key]
    place[key] = data.draw(json_values)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spoilt.json"
        path.write_text(json.dumps(spoilt), encoding="utf-8")
        try:
            read_run(path)
        except ResultError:
            return
    SCHEMA.validate(spoilt)


def test_percentiles_without_their_samples_are_no_run(tmp_path: Path) -> None:
    """A histogram that was cut out could be neither checked nor merged, and is missed."""
    path = tmp_path / "run.json"
    write_run(run_file(case_record()), path)
    cut = json.loads(path.read_text())
    del cut["cases"][0]["trials"][0]["histograms"]["response"]
    path.write_text(json.dumps(cut))
    with pytest.raises(ResultError, match="the histogram of response is missing in repeat 0"):
        read_run(path)
