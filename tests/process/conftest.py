"""The process tests use the fault rows' systems and sinks."""

from __future__ import annotations

from tests.faults.conftest import keyed, system_of

__all__ = ["keyed", "system_of"]
