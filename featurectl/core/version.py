"""The version of the package, where all of its layers may read it."""

from __future__ import annotations

__version__ = "0.1.0"
