"""Repositories that several tests begin with: made by the first, and copied for the others of the same process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_made: dict[str, Path] = {}


def make_once(name: str, folder: Path, make: Callable[[], object]) -> None:
    """Bring a folder to the state that `make` brings it to, which is the same for all who give this name.

    Times of files stay, so that sources are those that were read.
    """
    if name in _made:
        shutil.copytree(_made[name], folder, dirs_exist_ok=True, symlinks=True)
        return
    make()
    kept = tempfile.TemporaryDirectory(prefix="featurectl-made-")
    atexit.register(kept.cleanup)
    shutil.copytree(folder, kept.name, dirs_exist_ok=True, symlinks=True)
    _made[name] = Path(kept.name)
