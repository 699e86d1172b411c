"""What a commit of a table says beside its rows: the coverage and the number of buckets, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from featurectl.core.documents import parse_json
from featurectl.core.errors import StoreError
from featurectl.core.units import format_iso, parse_instant
from featurectl.offline.base import Coverage
from featurectl.offline.part_rows import dump_part_rows, load_part_rows

_INSTANTS = ("watermark", "newest_event", "now", "since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The part of a commit that is featurectl's own.

    `cleaned` is the number of the newest tombstone of which no file in the table's folder holds anything, whichever
    version it is of; the table itself holds nothing of those up to `coverage.erased`, which may be more. `eraser` names
    the registry of which these are numbers: environments that share tables may have one each. "": nothing was erased.
    """

    coverage: Coverage
    buckets: int
    cleaned: int = 0
    eraser: str = ""


def dump_commit(commit: Commit) -> str:
    """Return the JSON text of a commit's own part.

    >>> load_commit(dump_commit(Commit(coverage=Coverage(parts={"a": "1"}), buckets=2))).coverage.parts
    {'a': '1'}
    """
    coverage = commit.coverage
    instants = {name: getattr(coverage, name) for name in _INSTANTS}
    return json.dumps(
        {
            "buckets": commit.buckets,
            **(_marks(commit) if coverage.erased or commit.cleaned or commit.eraser else {}),
            "parts": dict(coverage.parts),
            "held": list(coverage.held),
            "dropped": dict(coverage.dropped),
            "inputs": dict(coverage.inputs),
            "columns": dict(coverage.columns),
            "rebuild_id": coverage.rebuild_id,
            "rows_mark": coverage.rows_mark,
            "watermarks": {name: format_iso(at) for name, at in coverage.watermarks.items()},
            "part_rows": dump_part_rows(coverage),
            "changed_parts": list(coverage.changed_parts),
            "changed_events": [format_iso(at) for at in coverage.changed_events or ()],
            "cut_parts": {name: [format_iso(at) for at in ends] for name, ends in coverage.cut_parts.items()},
            "late_events": [format_iso(at) for at in coverage.late_events or ()],
            **{name: format_iso(value) if value is not None else None for name, value in instants.items()},
        },
        sort_keys=True,
    )


def _marks(commit: Commit) -> dict[str, object]:
    return {"erased": commit.coverage.erased, "cleaned": commit.cleaned, "eraser": commit.eraser}


def load_commit(text: str, shown: str = "") -> Commit:
    """Return a commit's own part from its JSON text; `shown` is the table as errors call it.

    Raises:
        StoreError: FC603, it is none.
    """
    try:
        return _loaded(parse_json(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        message = f"the table {shown} has a commit that says not what it holds"
        raise StoreError(message, code="FC603", hint="was it changed by another program?") from error


def _loaded(data: Mapping[str, Any]) -> Commit:
    coverage = Coverage(
        parts=data["parts"],
        held=tuple(data["held"]),
        dropped=data["dropped"],
        inputs=data["inputs"],
        columns=data["columns"],
        rebuild_id=data.get("rebuild_id", ""),  # absent in tables written before there was one
        rows_mark=data.get("rows_mark", ""),  # likewise
        watermarks={name: at for name, text in data.get("watermarks", {}).items() if (at := _instant(text))},
        watermark=_instant(data["watermark"]),
        newest_event=_instant(data["newest_event"]),
        now=_instant(data["now"]),
        since=_instant(data.get("since")),
        late_events=_ends(data.get("late_events")),
        part_rows=load_part_rows(data.get("part_rows", ""), data["parts"]),
        changed_parts=tuple(data.get("changed_parts", ())),
        changed_events=_ends(data.get("changed_events")),
        cut_parts={name: ends for name, texts in data.get("cut_parts", {}).items() if (ends := _ends(texts))},
        erased=data.get("erased", 0),  # absent where nothing was erased
    )
    cleaned, eraser = data.get("cleaned", 0), data.get("eraser", "")
    return Commit(coverage=coverage, buckets=data["buckets"], cleaned=cleaned, eraser=eraser)


def _ends(texts: Sequence[str] | None) -> tuple[datetime, datetime] | None:
    if not texts:  # none, or of before there were any
        return None
    first, last = (_instant(text) for text in texts)
    return None if first is None or last is None else (first, last)


def _instant(text: str | None) -> datetime | None:
    return parse_instant(text) if text is not None else None
