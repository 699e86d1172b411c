"""Inputs of a model that have other names and are the same else: one reason of a plan in place of three an input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from featurectl.plan.plan import ReasonJson

_LIST: Final = "features"  # of the names of a model's inputs, in their order
_NONE: Final = "-"  # of an input that was not there


def fold_renamed_inputs(reasons: Sequence[ReasonJson]) -> list[ReasonJson]:
    """Return the reasons of a change without those that only follow from new names of a model's inputs.

    They are folded where each input that has another name has all the rest of the one in its place: then the list of
    names says it all.
    """
    named = next((r for r in reasons if r["field"] == _LIST and r["sign"] == "~"), None)
    if named is None:
        return list(reasons)
    gone = {_name(r): r for r in reasons if r["new"] == _NONE}
    came = {_name(r): r for r in reasons if r["old"] == _NONE}
    before, after = named["old"].split(", "), named["new"].split(", ")
    pairs = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
    if len(before) != len(after) or not all(_is_renamed(gone.get(old), came.get(new)) for old, new in pairs):
        return list(reasons)
    folded = {f"{_LIST}.{name}" for pair in pairs for name in (*pair, *_same_parts(*pair, gone, came))}
    left = [r for r in reasons if r["field"] not in folded and r is not named]
    return [{**named, "old": "", "new": ", ".join(f"{old} -> {new}" for old, new in pairs)}, *left]


def _name(reason: ReasonJson) -> str:
    return reason["field"].removeprefix(f"{_LIST}.")


def _same_parts(old: str, new: str, gone: Mapping[str, ReasonJson], came: Mapping[str, ReasonJson]) -> Iterator[str]:
    """Yield what went of an input and came of its new name as it was: how its key is selected."""
    for name, reason in gone.items():
        now = f"{new}.{name.removeprefix(f'{old}.')}"
        if name.startswith(f"{old}.") and now in came and came[now]["new"] == reason["old"]:
            yield from (name, now)


def _is_renamed(gone: ReasonJson | None, came: ReasonJson | None) -> bool:
    """Return whether an input that went and one that came are of one view and differ in a feature's name alone."""
    return gone is not None and came is not None and _nameless(gone["old"]) == _nameless(came["new"])


def _nameless(text: str) -> tuple[str, str]:
    """Return what an input is made of, but for the feature's name.

    >>> _nameless("payments:spend_7d (user: user) as float64")
    ('payments', '(user: user) as float64')
    """
    source, _, rest = text.partition(" ")
    return source.partition(":")[0], rest
