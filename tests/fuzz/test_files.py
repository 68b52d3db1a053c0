"""A file that is no run, or not quite one, is refused; what is accepted is shown without harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import files
from tests.fuzz.effort import effort
from tests.fuzz.targets import NOISE, TARGETS, spoilt
from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.noisefile import NoiseFile, read_noise, write_noise
from valkeybench.results.store import read_run

CHANGES = st.lists(
    st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 5), st.integers(0, 255)), max_size=3
).map(lambda each: b"".join(at.to_bytes(2) + bytes([how, what]) for at, how, what in each))


@effort(20)
@given(st.integers(0, 1), CHANGES)
def test_a_run_with_something_else_in_places_is_shown_or_refused(run: int, changes: bytes) -> None:
    """By every format of a report, by compare, gate, size and fleet; what obeys the schema only."""
    TARGETS["spoilt run"].check(bytes([run]) + changes + b"\x01" * 3)


@effort(60)
@given(st.integers(0, 1), CHANGES, st.integers(1, 250))
def test_a_run_cut_short_is_refused(run: int, changes: bytes, cut: int) -> None:
    """Wherever the disk was full."""
    text = spoilt(bytes([run]) + changes + b"\x01" * 3)
    assert not TARGETS["run file"].check(text[: -max(len(text) * cut // 256, 1)])


@effort(60)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"schema_version": 1, "a": ' + b"9" * 100_000 + b"}")
@example(NOISE)
def test_any_bytes_at_all_are_a_file_or_refused(data: bytes) -> None:
    """As a run and as a noise file."""
    TARGETS["run file"].check(data)
    TARGETS["noise file"].check(data)


@effort(60)
@given(st.sampled_from(TARGETS["histogram"].seeds), st.integers(0), st.binary(max_size=4))
def test_a_spoilt_histogram_is_read_or_refused(packed: bytes, at: int, other: bytes) -> None:
    """Base64 that is none, other payloads, and lengths that are not so."""
    at %= len(packed)
    TARGETS["histogram"].check(packed[:at] + other + packed[at + len(other) :])


def test_the_runs_that_are_kept_are_accepted(tmp_path: Path) -> None:
    """What the mutations begin with passes everything that is asked of it."""
    for number, text in enumerate(files.documents()):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        assert files.run_file(path)


def test_what_contradicts_the_schema_is_refused(tmp_path: Path) -> None:
    """A key too many, one too few, and a word where a number belongs."""
    for change in ({"more": 1}, {"status": "fine"}, {"cases": "none"}, {"tool": None}):
        path = tmp_path / "run.json"
        path.write_text(json.dumps(json.loads(files.documents()[0]) | change), encoding="utf-8")
        with pytest.raises(ResultError):
            read_run(path)


def test_a_noise_file_is_written_whole_and_through_no_link(tmp_path: Path) -> None:
    """It replaces a file, keeps its mode, and leaves alone what a link of its name leads to."""
    noise = NoiseFile.model_validate_json(NOISE)
    path, theirs = tmp_path / "new" / "noise.json", tmp_path / "theirs"
    write_noise(noise, path)
    path.chmod(0o600)
    write_noise(noise, path)
    assert noise == read_noise(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert ["noise.json"] == [each.name for each in path.parent.iterdir()]
    theirs.write_text("theirs", encoding="utf-8")
    path.unlink()
    path.symlink_to(theirs)
    with pytest.raises(ScenarioError, match=r"--noise: .* is a symbolic link"):
        write_noise(noise, path)
    assert "theirs" == theirs.read_text(encoding="utf-8")


def test_a_noise_file_without_end_is_not_read_to_it() -> None:
    """A device is read no further than a noise file is long."""
    with pytest.raises(ResultError, match="too large to be a noise file"):
        read_noise(Path("/dev/zero"))
