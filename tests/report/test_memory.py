"""What a connection costs the server in memory is one line that says by which figure."""

from __future__ import annotations

from valkeybench.report.document import Paragraph
from valkeybench.report.memory import memory_block
from valkeybench.results.runfile import ConnectionCost

PLAIN = ConnectionCost(
    tls=False, connections=200, used_fresh=17_408, used_idle=2_048,
    allocated_fresh=None, allocated_idle=None, note="not told",
)  # fmt: skip
SECURE = ConnectionCost(
    tls=True, connections=200, used_fresh=17_408, used_idle=2_048,
    allocated_fresh=71_680, allocated_idle=57_344, note="",
)  # fmt: skip
UNKNOWN = ConnectionCost(
    tls=False, connections=0, used_fresh=None, used_idle=None,
    allocated_fresh=None, allocated_idle=None, note="no INFO",
)  # fmt: skip


def said(*costs: ConnectionCost) -> str:
    """Give the line, with ordinary blanks; empty when there is none."""
    blocks = list(memory_block(costs))
    assert len(blocks) <= 1
    return " ".join(
        " ".join(block.text.split()) for block in blocks if isinstance(block, Paragraph)
    )


def test_each_way_is_said_with_its_figure() -> None:
    """Plain by used_memory; over TLS by the allocator, which knows the library's share."""
    text = said(PLAIN, SECURE)
    assert "17.0 KiB fresh, 2.00 KiB idle (used_memory)" in text
    assert "over TLS 70.0 KiB fresh, 56.0 KiB idle" in text
    assert "(allocator_allocated; used_memory alone knows 17.0 KiB fresh, 2.00 KiB idle)" in text


def test_a_tls_library_that_hides_its_memory_is_said_to() -> None:
    """Without the allocator's figure there is only what the server asked for itself."""
    hidden = SECURE.model_copy(update={"allocated_fresh": None, "allocated_idle": None})
    assert "without what the TLS library takes" in said(hidden)


def test_what_is_not_known_is_not_said() -> None:
    """No line for a way that could not be looked at."""
    assert "" == said(UNKNOWN)
    assert "" == said()
    assert "over TLS" not in said(PLAIN, UNKNOWN)
