"""A view version that is read, and where its rows lie in the online store."""

from __future__ import annotations

from dataclasses import field

from featurectl.core.dataclass import dataclass
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    """A view version and where its rows lie.

    `field` is `view@version`, its rows' place under an entity's key; `place` is that with project and environment.
    """

    view: FeatureView
    online: OnlineView
    place: tuple[str, str, str] = field(init=False, repr=False)
    field: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = f"{self.online.view}@{self.online.version}"  # looked at several times a request
        object.__setattr__(self, "field", name)
        object.__setattr__(self, "place", (self.online.project, self.online.env, name))
