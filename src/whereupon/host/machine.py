"""This machine's own ways of doing things: those of POSIX or those of Windows, under the same names."""

from __future__ import annotations

import sys

if sys.platform == "win32":  # pragma: no cover - Windows takes this way, and this way alone
    from whereupon.host import windows as machine
else:
    from whereupon.host import posix as machine

__all__ = ["machine"]
