"""The texts of a repository's YAML files, as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from featurectl.language.repository_files import own_paths

_MOST_BYTES: Final = 5_000_000  # more is no file of a repository
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def texts_of_files(root: Path) -> Iterator[str]:
    """Yield all keys and values of the files below a folder; of one that is broken those before the fault."""
    for path in (root / own for own in own_paths(root)):
        try:
            text = path.read_text(encoding="utf-8") if path.stat().st_size <= _MOST_BYTES else ""
            yield from (event.value for event in yaml.parse(text, _LOADER) if isinstance(event, yaml.ScalarEvent))
        except (OSError, ValueError, yaml.YAMLError):
            continue
