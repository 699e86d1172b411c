"""A view version that is read, and where its rows lie in the online store."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.errors import DataError
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.unread_views import kept_no_more, no_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    """A view version and where its rows lie.

    `field` is `view@version`, its rows' place under an entity's key; `place` is that with project and environment.
    `is_kept` is false of an older version of a stream's view that no worker can keep online, as its source reads events
    in another way now. `erasures` are those of the project.
    """

    view: FeatureView
    online: OnlineView
    is_kept: bool = True
    erasures: Erasures = NOTHING_ERASED
    place: tuple[str, str, str] = field(init=False, repr=False)
    field: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = f"{self.online.view}@{self.online.version}"  # looked at several times a request
        object.__setattr__(self, "field", name)
        object.__setattr__(self, "place", (self.online.project, self.online.env, name))

    @property
    def stream(self) -> StreamSource:
        """The stream that the view is of, where it is of one."""
        return StreamSource(project=self.online.project, env=self.online.env, source=self.view.source.name)

    def not_online(self) -> DataError:
        """Return the error for a view of a stream of which the store has no lists that can be read."""
        of = self.field, self.view.source.name
        return no_worker(*of) if self.is_kept else kept_no_more(*of)
