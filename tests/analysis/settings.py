"""The modelled applications: those a size exists for, and those it does not."""

from __future__ import annotations

from tests.analysis.model import Setting

WELL_BEHAVED = (
    Setting(name="web-24", handlers=24, think_ms=20, rtt_ms=0.5, client_ms=0.06, contention=0.05),
    Setting(name="web-50", handlers=50, think_ms=20, rtt_ms=0.5, client_ms=0.06, contention=0.02),
    Setting(name="web-100", handlers=100, think_ms=40, rtt_ms=0.5, client_ms=0.06),
    Setting(name="worker-8", handlers=8, think_ms=5, rtt_ms=0.3, client_ms=0.06),
    Setting(name="worker-16", handlers=16, think_ms=10, rtt_ms=1.0, client_ms=0.06),
    Setting(name="default-50", handlers=50, think_ms=10, rtt_ms=0.3, client_ms=0.08),
    Setting(name="remote-50", handlers=50, think_ms=20, rtt_ms=5, client_ms=0.06),
    Setting(name="remote-32", handlers=32, think_ms=10, rtt_ms=5, jitter=0.3),
    Setting(name="remote-100", handlers=100, think_ms=50, rtt_ms=10),
    Setting(name="busy-remote-24", handlers=24, think_ms=3, rtt_ms=5),
    Setting(name="near-64", handlers=64, think_ms=30, rtt_ms=1, jitter=0.5),
    Setting(name="wide-200", handlers=200, think_ms=100, rtt_ms=2),
    Setting(name="open-1000", handlers=64, rate=1000, rtt_ms=1),
    Setting(name="open-3000", handlers=64, rate=3000, rtt_ms=1),
    Setting(name="open-2000-remote", handlers=100, rate=2000, rtt_ms=5),
    Setting(name="open-5000", handlers=100, rate=5000, rtt_ms=2, client_ms=0.1),
    Setting(name="open-500-far", handlers=64, rate=500, rtt_ms=10, jitter=0.3),
    Setting(name="asyncio-60", handlers=60, think_ms=40, rtt_ms=1, client_ms=0.1),
    Setting(name="asyncio-120", handlers=120, think_ms=30, rtt_ms=2, client_ms=0.1),
    Setting(name="dear-server", handlers=40, think_ms=20, rtt_ms=0.5, server_ms=0.2),
    Setting(name="server-60", handlers=40, think_ms=10, rtt_ms=0.5, server_ms=0.15),
    Setting(name="cpu-60", handlers=40, think_ms=10, rtt_ms=1, client_ms=0.15),
    Setting(name="cpu-75", handlers=40, think_ms=10, rtt_ms=1, client_ms=0.2),
    Setting(name="few-slow", handlers=50, think_ms=20, rtt_ms=1, slow_share=0.02, slow_ms=3),
    Setting(name="pairs", handlers=64, rate=2000, batch=2, rtt_ms=2),
    Setting(name="idle-32", handlers=32, think_ms=200, rtt_ms=0.5),
)

HOPELESS = (
    Setting(name="cpu-bound", handlers=50, think_ms=1, rtt_ms=0.5, client_ms=0.1),
    Setting(name="cpu-bound-convoy", handlers=64, think_ms=5, rtt_ms=0.5, client_ms=0.1,
            contention=0.05),
    Setting(name="server-bound", handlers=50, think_ms=5, rtt_ms=0.5, server_ms=0.15),
    Setting(name="bursts", handlers=128, rate=2000, batch=16, rtt_ms=3),
    Setting(name="limiter", handlers=100, think_ms=16, rtt_ms=0.3, client_ms=0.1,
            contention=0.03),
    Setting(name="two-kinds", handlers=50, think_ms=10, rtt_ms=0.5, slow_share=0.02, slow_ms=20),
    Setting(name="slow-blocks", handlers=64, think_ms=10, rtt_ms=0.5, slow_share=0.005,
            slow_ms=20, blocks=True),
)  # fmt: skip
