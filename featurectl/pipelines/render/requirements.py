"""What a repository says that it needs: its `requirements.txt`, which the image of `init --with docker` installs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import UsageError

REQUIREMENTS: Final = "requirements.txt"
_OTHER_FILE: Final = re.compile(r"(?:-r\s*|--requirement[ =]\s*)(\S.*)")
_OWN: Final = re.compile(r"(?:^|[/+])featurectl(?![\w-])", re.IGNORECASE)  # by its name, or in an address
_COMMENT: Final = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What pip installs for a repository: a file of it ("": there is none), and a package beside that ("": none)."""

    file: str = ""
    package: str = ""


def requirements_of(root: Path, package: str) -> Requirements:
    """Return the requirements of a repository; `package` is installed unless they name featurectl themselves.

    Raises:
        UsageError: the file can't be read.
    """
    file = root / REQUIREMENTS
    if not file.is_file():
        return Requirements(package=package)
    is_named = any(_OWN.search(line) for line in _lines(file, set()))
    return Requirements(file=REQUIREMENTS, package="" if is_named else package)


def _lines(file: Path, seen: set[Path]) -> Iterator[str]:
    """Yield the lines of a file of requirements and of those that it names, without comments."""
    if file.resolve() in seen or not file.is_file():
        return
    seen.add(file.resolve())
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    for line in text.splitlines():
        plain = _COMMENT.sub("", line).strip()
        if found := _OTHER_FILE.fullmatch(plain):
            yield from _lines(file.parent / found[1], seen)
        elif not plain.startswith("-"):
            yield plain
