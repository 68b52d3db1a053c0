"""However many codes a server makes up, a run keeps few, and every reply is counted."""

from __future__ import annotations

from valkeybench.measurement.measurement import Measurement
from valkeybench.measurement.reply_codes import OTHER, ReplyCodes, most_frequent


def test_sixteen_names_are_kept_and_every_reply_counted() -> None:
    """The rest are counted together."""
    codes = ReplyCodes()
    for number in range(100):
        codes.count(f"CODE{number}")
    codes.count("CODE0", 5)
    assert 16 == len(codes)
    assert 105 == codes.total()
    assert (6, 85) == (codes["CODE0"], codes[OTHER])


def test_codes_of_processes_add_up_and_the_most_frequent_stay() -> None:
    """Each process may have heard others."""
    seen = Measurement(error_replies={"ERR": 1, "NOPERM GET": 2}) + Measurement(
        error_replies={f"C{n:02}": n for n in range(1, 31)} | {"NOPERM GET": 5}
    )
    kept = most_frequent(seen.error_replies)
    assert 16 == len(kept)
    assert {"C30", "C16", OTHER} <= set(kept)
    assert sum(range(1, 31)) + 8 == sum(kept.values())
    assert "C01" not in kept
