"""How replies are counted and spelt: as the server gave them, whoever asked.

redis-py makes its own of many replies, `True` of an `OK` or of a 1; a client that tallies is kept
from that, or the same reply would go by two names beside the bare wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Replies(dict[str, int]):
    """How often each distinct reply came, of the first thousand there were."""

    MOST = 1000

    def count(self, reply: Any) -> None:
        """Count one."""
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
        if text in self or len(self) < self.MOST:
            self[text] = self.get(text, 0) + 1


def unread(make_client: Callable[..., Any]) -> Callable[..., Any]:
    """Make clients of redis-py's family that give replies as they came."""

    def make(**settings: Any) -> Any:
        client = make_client(**settings)
        client.response_callbacks.clear()
        return client

    return make
