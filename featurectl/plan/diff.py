"""Which fields differ between two definitions of an object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from featurectl.identity.facts.base import Fact, Facts
from featurectl.identity.registered_kinds import Registrable, data_facts, metadata_facts
from featurectl.plan.plan import ChangeReason

_NOT_SET: Final = Fact(None, "-")
_COLUMNS: Final = "source.columns."
_READS: Final = (_COLUMNS, "source.select.")


def diff_facts(old: Facts, new: Facts) -> tuple[ChangeReason, ...]:
    """Return a reason for each field whose value differs, in the order of the definition.

    >>> [(r.field, r.old, r.new) for r in diff_facts({"owner": Fact("ana", "ana")}, {"owner": Fact("ben", "ben")})]
    [('owner', 'ana', 'ben')]
    """
    found = []
    for field in _fields(new, old):
        before, after = old.get(field, _NOT_SET), new.get(field, _NOT_SET)
        if before.value != after.value:
            found.append(ChangeReason(sign="~", field=field, old=before.text, new=after.text))
    return tuple(found)


def diff_data(old: Registrable, new: Registrable) -> tuple[ChangeReason, ...]:
    """Return the reasons of two objects that can change a value.

    Left out, when another field says why: a field that reads the same on both sides (an expression over a column
    whose type has changed).
    """
    reasons = diff_facts(data_facts(old), data_facts(new))
    return tuple(r for r in reasons if r.old != r.new) or reasons


def diff_retyped(old: Registrable, new: Registrable) -> tuple[ChangeReason, ...]:
    """Return the reasons of an object without types and with them: its columns alone, where there are any."""
    if old is new:
        return ()
    reasons = [r for r in diff_facts(data_facts(old), data_facts(new)) if r.old != r.new]
    return tuple([r for r in reasons if r.field.startswith(_COLUMNS)] or reasons)


def diff_metadata(old: Registrable, new: Registrable) -> tuple[ChangeReason, ...]:
    """Return the reasons of two objects that can't change a value."""
    return diff_facts(metadata_facts(old), metadata_facts(new))


def diff_features(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> tuple[ChangeReason, ...]:
    """Return the reasons why features that both sides have change their values, each with the features it changes.

    Left out, when another field says why: a field that reads the same on both sides (an expression over a column
    whose type has changed), and a column that is read on one side alone (the field that reads it has changed).
    """
    changed: dict[tuple[str, str, str], list[str]] = {}
    for name in new:
        if name in old:
            for reason in diff_facts(old[name], new[name]):
                changed.setdefault((reason.field, reason.old, reason.new), []).append(name)
    reasons = [
        ChangeReason(sign="~", field=field, old=before, new=after, features=tuple(features))
        for (field, before, after), features in changed.items()
    ]
    telling = [r for r in reasons if r.old != r.new and not (r.field.startswith(_READS) and "-" in (r.old, r.new))]
    return tuple(telling or reasons)


def _fields(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))
