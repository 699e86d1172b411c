"""What `--allow-remove` means: one object that the files leave out, by its name or by `KIND:NAME`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.kinds import ObjectKind
from featurectl.core.nearest import did_you_mean

Gone = tuple[ObjectKind, str]

_OPTION: Final = "--allow-remove"


def removal_option(gone: Gone, all_gone: Collection[Gone]) -> str:
    """Return the option that lets an object go; with its kind when others of its name go too.

    >>> source, view = ("source", "orders"), ("feature_view", "orders")
    >>> removal_option(view, [view]), removal_option(view, [source, view])
    ('--allow-remove orders', '--allow-remove view:orders')
    """
    alone = sum(name == gone[1] for _, name in all_gone) == 1
    return f"{_OPTION} {gone[1] if alone else kind_and_name(gone)}"


def kind_and_name(gone: Gone) -> str:
    """Return the name that no other object has: "view:spend"."""
    return f"{gone[0].removeprefix('feature_')}:{gone[1]}"


def allowed_removals(allowed: Sequence[str], gone: Sequence[Gone]) -> frozenset[Gone]:
    """Return which of the objects that the files leave out may be removed.

    Raises:
        UsageError: one of `allowed` names none of them, or several.
    """
    return frozenset(_allowed(text, gone) for text in allowed)


def _allowed(text: str, gone: Sequence[Gone]) -> Gone:
    found = [item for item in gone if text in (item[1], kind_and_name(item))]
    if len(found) == 1:
        return found[0]
    check_unambiguous(f"{_OPTION} {text}", gone)
    known = list(dict.fromkeys(name for _, name in gone))
    hint = did_you_mean(text, known) or "is being removed: " + (", ".join(known) or "nothing")
    raise UsageError(f"{_OPTION} {text}: nothing of that name is being removed", hint=hint)


def check_unambiguous(option: str, gone: Collection[Gone]) -> None:
    """Check that no option (`--allow-remove NAME`) gives the name of several objects that may be removed.

    Raises:
        UsageError: one does; the hint has the option of each.
    """
    found = [item for item in gone if option == f"{_OPTION} {item[1]}"]
    if len(found) > 1:
        hint = " ".join(f"{_OPTION} {each}" for each in sorted(map(kind_and_name, found)))
        raise UsageError(f"{option}: {len(found)} objects of that name are being removed", hint=hint)
