"""Outputs compared with files of `tests/cli/golden`; GOLDEN=write writes them again, for a person to read the diff."""

from __future__ import annotations

import os
import re
from pathlib import Path

from featurectl import __version__

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare a text with a golden file; versions and times of XML are not compared."""
    stable = re.sub(r'time="\d+\.\d{3}"', 'time="0.000"', text.replace(f'"{__version__}"', '"VERSION"'))
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(stable, encoding="utf-8")
    assert stable == path.read_text(encoding="utf-8"), f"GOLDEN=write writes {path.name} again"
