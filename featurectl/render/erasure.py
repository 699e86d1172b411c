"""What `erase` removed or would remove, as people read it and as JSON."""

from __future__ import annotations

from typing import Final

from featurectl.core.units import counted, format_bytes, format_iso
from featurectl.erasure.base import PlaceFindings
from featurectl.erasure.erase import ErasureReport
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line

_HEAD: Final = ("place", "found", "rewritten")


def render_erasure(report: ErasureReport, *, dry_run: bool) -> str:
    """Return a table of the places with what they had, notes, and what is out of reach."""
    parts = [_places(report, dry_run=dry_run)]
    notes = [f"{item.place}: {in_one_line(note)}" for item in report.found for note in item.notes]
    parts += ["\n".join(notes)] if notes else []
    if report.failures and not dry_run:
        left = " and ".join(failure.part for failure in report.failures)
        parts.append(f"Not finished: {left}. `featurectl erase --again` goes on once what failed is mended.")
    parts.append("\n".join(["Out of reach:", *(f"- {text}" for text in report.out_of_reach)]))
    return "\n\n".join(parts)


def erasure_json(report: ErasureReport, *, dry_run: bool) -> dict[str, object]:
    """Return the same ready for JSON."""
    return {
        "dry_run": dry_run,
        "entity": report.entity or None,
        "keys": list(report.keys),
        "until": format_iso(report.until) if report.until else None,
        "places": [_place_json(item) for item in report.found],
        "bytes_rewritten": sum(item.rewritten for item in report.found),
        "out_of_reach": list(report.out_of_reach),
    }


def _place_json(item: PlaceFindings) -> dict[str, object]:
    return {
        "place": item.place,
        "found": item.rows,
        "what": item.what,
        "bytes_rewritten": item.rewritten,
        "notes": list(item.notes),
    }


def _counted(item: PlaceFindings) -> str:
    """Return how many there are, as "1 row" or "3 rows"."""
    return counted(item.rows, item.what.removesuffix("s"), item.what)


def _places(report: ErasureReport, *, dry_run: bool) -> str:
    if not report.found:
        return "Nothing is there of it." if not report.failures else "Nothing else is there of it."
    rows = [[i.place, _counted(i), format_bytes(i.rewritten)] for i in report.found]
    size = format_bytes(sum(item.rewritten for item in report.found))
    did = "would be cleaned" if dry_run else "cleaned"
    last = f"{counted(len(report.found), 'place')} {did}, {size} {'to rewrite' if dry_run else 'rewritten'}."
    return "\n".join([*render_table(_HEAD, rows), "", last])
