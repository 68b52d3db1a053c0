"""How big should my Valkey connection pool be, and what does it cost me if I am wrong?"""

from __future__ import annotations

__version__ = "0.1.0"
