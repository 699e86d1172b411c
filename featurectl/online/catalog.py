"""What of a registered project can be read online: view versions by name, lists of features, the inputs of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from featurectl.dtypes import UNKNOWN
from featurectl.errors import DataError, UsageError
from featurectl.online.features import FeatureReader, ReadView
from featurectl.online.inputs import InputReader, Missing
from featurectl.online.stored import online_view
from featurectl.registry.applied import registered_view
from featurectl.registry.skew import check_skew
from featurectl.registry.state import ModelVersion, ObjectVersion, State
from featurectl.spec.asked import feature_inputs, feature_pairs
from featurectl.spec.definition import FeatureView
from featurectl.spec.definition_json import load_model, load_view
from featurectl.spec.typing import typed_view

_READERS: Final = 500
Columns = Callable[[FeatureView, int], Mapping[str, str]]  # of a view version's source, as its offline table knows them


class Catalog:
    """A project as it is registered, for readers. `columns` is asked only of a view whose types nobody declared.

    What is looked up is kept: make a new catalog when the registry has changed.
    """

    def __init__(self, state: State, env: str, columns: Columns) -> None:
        self.state = state
        self.env = env
        self._columns = columns
        self._views: dict[tuple[str, int], ReadView] = {}
        self._readers: dict[tuple[str, ...], FeatureReader] = {}

    def view(self, name: str, version: int | None = None) -> ReadView:
        """Return a version of a view, the newest when no number is given.

        Raises:
            UsageError: no such view or version is registered, or it is offline only.
        """
        registered = registered_view(self.state, name, version)
        if (name, registered.version) not in self._views:
            self._views[name, registered.version] = self._read_view(registered)
        return self._views[name, registered.version]

    def views(self) -> list[ReadView]:
        """Return the newest version of each view that is served online, by name."""
        names = sorted({o.name for o in self.state.objects if o.kind == "feature_view" and o.current})
        online = []
        for name in names:
            try:
                online.append(self.view(name))
            except (UsageError, DataError):  # offline only, or never materialized
                continue
        return online

    def reader(self, features: Sequence[str]) -> FeatureReader:
        """Return a reader of `view:feature` texts, of the newest versions; keys are columns of their own names.

        Raises:
            UsageError: a text is none, or there is no such view or feature, or two have one name.
        """
        asked = tuple(features)
        if asked not in self._readers:
            pairs = feature_pairs(asked)
            views = {name: self.view(name) for name in dict.fromkeys(view for view, _ in pairs)}
            inputs = feature_inputs({name: view.view for name, view in views.items()}, pairs)
            if len(self._readers) >= _READERS:  # callers may ask for anything
                self._readers.clear()
            self._readers[asked] = FeatureReader(inputs, views)
        return self._readers[asked]

    def model_reader(self, version: ModelVersion) -> InputReader:
        """Return a reader of the inputs of a model version, by the view versions that it was trained on.

        Raises:
            UsageError: one of them is gone, or offline only.
            DataError: FC525, they are not what it was trained on.
        """
        model = load_model(version.definition)
        views = {name: self.view(name, number) for name, number in version.view_versions.items()}
        check_skew(version, model, {name: read.view for name, read in views.items()})
        trained = {item.name: item.dtype for item in version.inputs}
        missing = Missing(no_row=model.missing_no_row, stale=model.missing_stale, max_age_us=model.missing_max_age_us)
        return InputReader(model.inputs, views, trained, missing)

    def _read_view(self, registered: ObjectVersion) -> ReadView:
        view = load_view(registered.definition)
        if not view.online:
            raise UsageError(f"view {view.name} is offline only", hint="`online: false` in its definition says so")
        unknown = any(f.dtype is None for f in view.features) or UNKNOWN in (view.source.columns or {}).values()
        if unknown:
            view = typed_view(view, self._columns(view, registered.version))
        return ReadView(view=view, online=online_view(view, registered.version, self.state.project, self.env))
