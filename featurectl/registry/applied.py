"""What is said of a name that nothing applied has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.errors import UsageError
from featurectl.registry.state import Kind, State

_MANY: Final[Mapping[Kind, str]] = {
    "entity": "entities",
    "source": "sources",
    "feature_view": "views",
    "model": "models",
}


def not_applied(state: State, kind: Kind, name: str) -> UsageError:
    """Return the error for a name (or `view@2`) that no applied object of a kind has; the hint lists those that do.

    >>> error = not_applied(State(project="shop", registry_id="", serial=0), "feature_view", "spend")
    >>> error.message, error.hint
    ("no feature view 'spend' is applied in project shop", 'nothing is applied yet: featurectl apply')
    """
    known = sorted({item.name for item in state.objects if item.kind == kind and item.current})
    if known:
        hint = f"applied {_MANY[kind]}: {', '.join(known)}"
    else:
        what = f"no {_MANY[kind]} are applied" if state.objects else "nothing is applied yet"
        hint = f"{what}: featurectl apply"
    return UsageError(f"no {kind.replace('_', ' ')} {name!r} is applied in project {state.project}", hint=hint)
