"""What each phase looks like, in every format that has colour.

Waiting is amber, opening a connection is red to pink, the command itself is blue, giving
back is grey. Neighbours differ in lightness too, and all are readable on black and white.
"""

from __future__ import annotations

from valkeybench.measurement.metrics import Phase

PHASE_COLOURS = {
    Phase.LATENESS: "#7a6ccf",
    Phase.POOL_WAIT: "#d3a92c",
    Phase.CONSTRUCT: "#a8403f",
    Phase.CONNECT: "#e0703f",
    Phase.TLS_CONTEXT: "#8e4585",
    Phase.TLS: "#cc79b3",
    Phase.HANDSHAKE: "#ee9c86",
    Phase.COMMAND: "#3a8fb7",
    Phase.RELEASE: "#8c8c8c",
    Phase.SERVICE: "#3a8fb7",
    Phase.RESPONSE: "#3a8fb7",
    Phase.FAILED: "#a8403f",
}
