"""What came of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Cause = Literal[
    "late row",
    "boundary",
    "tie",
    "version",
    "expiry",
    "default",
    "stale push",
    "shifted clock",
    "missing row",
    "unexpected row",
    "row of the future",
    "corrupted value",
]
MEANT: Final[Mapping[Cause, str]] = {
    "version": "the value is that of another version of the view",
    "boundary": "the window was closed at another end",
    "tie": "another row of the same event time answered",
    "late row": "rows that came late were left out, or counted before they were known",
    "stale push": "the value is of an earlier push",
    "expiry": "the ttl was judged otherwise",
    "shifted clock": "the values are those of another instant, the same time away in most rows",
    "default": "a default stands on one side only",
    "missing row": "the online store has no row of the entity",
    "unexpected row": "the online store has a row of an entity that the table has not",
    "row of the future": "the row was computed as of an instant that has not come",
    "corrupted value": "nothing explains the value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSkew:
    """How many values of one input of a model version were compared, how many differ, and of what.

    `details` say more of some causes (which version, which shift), `example` shows the first value that differs.
    """

    model: str
    version: int
    feature: str
    compared: int
    mismatched: int
    causes: Mapping[str, int]
    view: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    example: str = ""

    @property
    def share(self) -> float:
        """Mismatches of what was compared; 0 when nothing was."""
        return self.mismatched / self.compared if self.compared else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What a replay of the prediction log found.

    `rows` were in the log (those of `sample`), `replayed` of them were compared in at least one feature. `left_out`
    says how many rows, or rows of a view, could not be replayed, by reason; `notes` name what no row of can be.
    """

    rows: int
    replayed: int
    features: Sequence[FeatureSkew]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def mismatched(self) -> int:
        """Values that differ, of all features."""
        return sum(item.mismatched for item in self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSkew:
    """What a comparison of a view version's rows in the online store with its offline table found.

    `entities` of the table were compared, those among them that an event view has no row of, too; `of` rows are in the
    store. `features` counts values as `FeatureSkew` does (`model` is ""), and
    `missing` and `unexpected` rows, by cause, beside them. `note` says why nothing, or not all, was compared;
    `pushed` is False of a view that never was. `future` says that the last push was as of an instant that has not come.
    """

    view: str
    version: int
    entities: int
    of: int
    features: Sequence[FeatureSkew] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    unexpected: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    example: str = ""
    pushed: bool = True
    future: str = ""

    @property
    def differences(self) -> int:
        """Values and rows that differ."""
        rows = sum(self.missing.values()) + sum(self.unexpected.values())
        return rows + sum(item.mismatched for item in self.features)
