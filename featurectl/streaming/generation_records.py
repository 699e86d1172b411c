"""What is written to the lists of each generation: of a view that has got more features the old lists keep the old."""

from __future__ import annotations

from collections.abc import Mapping

from featurectl.core.errors import StoreError
from featurectl.language.definitions.view import FeatureView
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.layout import ListLayout, layout_of, parse_layout
from featurectl.online.stream_state.protocols import StreamReader
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.view_records import ViewRecords


class GenerationRecords:
    """Makes the records of generations by the layout that each was named with, which the store has.

    `views` are by `view@version`, as they are declared now.
    """

    def __init__(
        self, place: StreamSource, store: StreamReader, views: Mapping[str, FeatureView], decoder: EventDecoder
    ) -> None:
        self._place, self._store, self._views, self._decoder = place, store, views, decoder
        self._known: dict[Generation, ViewRecords] = {}

    def of(self, generation: Generation) -> ViewRecords:
        """Return what makes the records of a generation.

        Raises:
            OlderWorkerError: the worker does not know the view, or its definition lacks what the lists keep.
            StoreError: the store fails.
        """
        found = self._known.get(generation)
        if found is None:
            view = self._views.get(generation.view)
            if view is None:
                raise OlderWorkerError(f"it does not know the feature view {generation.view}")
            found = self._known[generation] = ViewRecords(view, self._decoder, self._layout(generation, view))
        return found

    def layout(self, generation: Generation) -> ListLayout:
        """Return what the lists of a generation keep.

        Raises:
            StoreError: as `of`.
        """
        return self.of(generation).layout

    def _layout(self, generation: Generation, view: FeatureView) -> ListLayout:
        document = self._store.read_layout(self._place, generation)
        layout = parse_layout(document) if document else layout_of(view)
        if lacking := sorted(set(layout.inputs) - {item.name for item in view.inputs}):
            raise OlderWorkerError(f"lists of {generation.view} keep {', '.join(lacking)}, which its definition lacks")
        return layout


class OlderWorkerError(StoreError):
    """The lists of a generation are of a definition that this worker does not have: it reads what is applied anew."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the worker is older than what was applied: {what}",
            code="FC602",
            hint="start it again: it reads what is applied",
        )
