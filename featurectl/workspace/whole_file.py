"""A file that a command writes whole: whatever interrupts it, the file is the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path

from featurectl.core.errors import UsageError
from featurectl.core.temporary_files import temporary_beside
from featurectl.language.syntax.own_files import why_no_output


def write_whole(path: Path, text: str) -> None:
    """Write a text into a file; a link stays one, and what is no file, as a pipe, is written as it is.

    Raises:
        UsageError: a link of a repository leads out of it.
        OSError: it can't be written.
    """
    if reason := why_no_output(path):
        raise UsageError(f"{path} is not written: {reason}", hint="remove the link, or name another file")
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    there = Path(os.path.realpath(path))
    with temporary_beside(there) as beside:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(there)
