"""What `clean` removed or would remove, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.units import counted, format_bytes
from featurectl.operations.clean.clean_workspace import Cleaned
from featurectl.operations.clean.unneeded_data import Leftover, SmallFiles
from featurectl.render.table import render_table

_HEAD: Final = ("kind", "what", "size")
_SMALL: Final = ("small files of", "files", "size")


def render_cleaned(cleaned: Cleaned, *, dry_run: bool) -> str:
    """Return tables of what is gone and of what was compacted, with totals; nothing when all failed."""
    found, small = cleaned.leftovers, cleaned.small_files
    if not found and not small:
        return "" if cleaned.failures else "Nothing to remove."
    parts = [_leftovers(found, dry_run=dry_run)] if found else []
    return "\n\n".join([*parts, *([_small_files(small, dry_run=dry_run)] if small else [])])


def cleaned_json(cleaned: Cleaned, *, dry_run: bool) -> dict[str, object]:
    """Return the same ready for JSON."""
    found = cleaned.leftovers
    leftovers = [{"kind": i.kind, "name": i.name, "bytes": i.size, "entities": i.entities} for i in found]
    days = [{"name": day.name, "files": day.files, "bytes": day.size} for day in cleaned.small_files]
    total = sum(item.size or 0 for item in found)
    return {"dry_run": dry_run, "bytes": total, "leftovers": leftovers, "compacted": days}


def _leftovers(found: Sequence[Leftover], *, dry_run: bool) -> str:
    rows = [[item.kind, item.name, _size(item)] for item in found]
    total = format_bytes(sum(item.size or 0 for item in found))
    did = "would be removed" if dry_run else "removed"
    return "\n".join([*render_table(_HEAD, rows), "", f"{counted(len(found), 'thing')}, {total} {did}."])


def _small_files(small: Sequence[SmallFiles], *, dry_run: bool) -> str:
    rows = [[day.name, f"{day.files:,}", format_bytes(day.size)] for day in small]
    did = "would be made" if dry_run else "made"
    done = f"{counted(sum(day.files for day in small), 'small file')} {did} into large ones"
    return "\n".join([*render_table(_SMALL, rows), "", f"{done}; a run two hours later removes the small ones."])


def _size(item: Leftover) -> str:
    if item.size is None:
        return "unknown" if item.entities is None else counted(item.entities, "key")
    return format_bytes(item.size)
