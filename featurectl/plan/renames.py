"""Features that have another name and the same values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurectl.identity.facts.base import Facts


def find_renames(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> dict[str, str]:
    """Return the old name of each new feature whose facts are those of one that is gone, but for the name.

    Several with the same facts are taken in the order of their lists.

    >>> from featurectl.identity.facts.base import Fact
    >>> was = {"spend": {"ttl": Fact(1, "1us"), "features.spend.type": Fact("int64", "int64")}}
    >>> now = {"paid": {"ttl": Fact(1, "1us"), "features.paid.type": Fact("int64", "int64")}}
    >>> find_renames(was, now)
    {'paid': 'spend'}
    """
    gone = {name: _nameless(name, facts) for name, facts in old.items() if name not in new}
    found = {}
    for name in (name for name in new if name not in old):
        same = next((other for other, facts in gone.items() if facts == _nameless(name, new[name])), None)
        if same is not None:
            found[name] = same
            del gone[same]
    return found


def asks_for(view: str, renamed: Sequence[tuple[str, str]], does: str, where: str = "") -> str:
    """Return what who asks for features by old names, the first of each pair, has to do, or gets.

    >>> asks_for("v", [("a", "b"), ("c", "d")], "has to ask for", "online ")
    'who asks online for v:a, c has to ask for v:b, d'
    """
    before, now = (", ".join(names) for names in zip(*renamed, strict=True))
    return f"who asks {where}for {view}:{before} {does} {view}:{now}"


def _nameless(name: str, facts: Facts) -> dict[str, object]:
    """Return the values of a feature's facts, its own under no name."""
    return {field.replace(f".{name}.", "..", 1): fact.value for field, fact in facts.items()}
