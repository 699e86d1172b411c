"""Whether two definitions of a source read the same of its events."""

from __future__ import annotations

from featurectl.language.definitions.source import Source


def reads_alike(before: Source, source: Source) -> bool:
    """Return whether a source reads what it read before as it did: the same columns, clocks and names of events."""
    clocks = [(of.event_time, of.timezone, of.nan, of.dedup_key, of.tiebreak) for of in (before, source)]
    if clocks[0] != clocks[1]:
        return False
    now, then = (
        {**(of.columns or {}), **{item.name: item.expression.text for item in of.select}} for of in (source, before)
    )
    return all(now.get(name) == dtype for name, dtype in then.items())
