"""What of a registered project can be read online: view versions by name, lists of features, the inputs of models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError, UsageError
from featurectl.expressions.tree import Columns
from featurectl.language.definitions.json_form import load_model, load_view
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.resolve.feature_names import (
    FeatureChoice,
    OneNameError,
    feature_inputs,
    feature_pairs,
    old_name_warnings,
)
from featurectl.language.typing.registered import typed_view
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.model_inputs import InputReader, Missing
from featurectl.online.client.pushed_versions import (
    Pushed,
    is_pushed_as_current,
    never_pushed,
    served_version,
)
from featurectl.online.client.read_view import ReadView
from featurectl.online.client.stream_asof import absence, is_kept, stream_name
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.row_places import online_view
from featurectl.registry.applied import registered_view
from featurectl.registry.skew import check_skew
from featurectl.registry.state import ModelVersion, ObjectVersion, State

_READERS: Final = 500


class ProjectSchema:
    """A project as it is registered, for readers.

    `pushed` are the last pushes that were looked up. What is looked up is kept: make a new schema when the registry or
    what is pushed has changed.
    """

    def __init__(self, state: State, env: str, pushed: Pushed | None = None) -> None:
        self.state = state
        self.env = env
        self.pushed: Pushed = {} if pushed is None else pushed
        self._views: dict[tuple[str, int], ReadView] = {}
        self._readers: dict[tuple[str, ...], FeatureReader] = {}

    def view(self, name: str, version: int | None = None) -> ReadView:
        """Return a version of a view; when no number is given the newest that was pushed, without one the newest.

        Raises:
            UsageError: no such view or version is registered, or it is offline only.
            DataError: FC511: nothing says what types its values have.
            BrokenRecordError: the record that would say so is none.
        """
        registered = served_version(self.state, name, self.pushed) if version is None else None
        registered = registered or registered_view(self.state, name, version)
        if (name, registered.version) not in self._views:
            self._views[name, registered.version] = self._read_view(registered)
        return self._views[name, registered.version]

    def views(self) -> list[ReadView]:
        """Return the version of each view that is read by its name, by name; none of what can't be read."""
        names = sorted({o.name for o in self.state.objects if o.kind == "feature_view" and o.current})
        online = []
        for name in names:
            try:
                online.append(self.view(name))
            except (UsageError, DataError, BrokenRecordError):  # offline only, never pushed, or nobody knows its types
                continue
        return online

    def waiting(self, names: Collection[str] | None = None, begun: Collection[str] = ()) -> list[str]:
        """Return what of the applied views, or of those named, is not served yet, a line each.

        `begun` are the views of streams (`spend@1`) with lists that are read or being made.
        """
        lines = []
        for item in self.state.objects:
            is_named = item.kind == "feature_view" and (names is None or item.name in names)
            if not is_named or self.state.current("feature_view", item.name) != item:
                continue
            place = (item.name, item.version)
            if place not in self.pushed or not item.definition.get("online", True):  # it needs no look, or no push
                continue
            record = self.pushed[place]
            if is_pushed_as_current(self.state, item, record):
                continue
            served = served_version(self.state, item.name, self.pushed)
            other = f"; served: @{served.version}" if served and served != item else ""
            label = f"{item.name}@{item.version}"
            never = absence(label, begun) if stream_name(item) else "was never pushed"
            why = never if record is None else "was not pushed since it is current again"
            lines.append(f"{label} is applied but {why}{other}")
        return sorted(lines)

    def known_reader(self, features: Sequence[str]) -> FeatureReader | None:
        """Return the reader of a list of features that was asked for before."""
        return self._readers.get(tuple(features))

    def reader(self, features: Sequence[str]) -> FeatureReader:
        """Return a reader of `view:feature` texts; keys are columns of their own names. Versions are those of `view`.

        Raises:
            UsageError: a text is none, or there is no such view or feature, or two have one name.
        """
        asked = tuple(features)
        if asked not in self._readers:
            pairs = feature_pairs(asked)
            views = {name: self.view(name) for name in dict.fromkeys(view for view, _ in pairs)}
            chosen = [FeatureChoice(*pair) for pair in pairs]
            inputs = self._inputs(views, chosen)
            old_names = old_name_warnings({name: read.view for name, read in views.items()}, chosen)
            if len(self._readers) >= _READERS:  # callers may ask for anything
                self._readers.clear()
            self._readers[asked] = FeatureReader(inputs, views, old_names)
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
            view = typed_view(view, self._columns(registered))
        online = online_view(view, registered.version, self.state.project, self.env)
        kept = is_kept(self.state, registered)
        return ReadView(view=view, online=online, is_kept=kept, erasures=self.state.erasures)

    def _columns(self, registered: ObjectVersion) -> Columns:
        """Return the columns of a view version's source with their types.

        Raises:
            DataError: FC511, it was never pushed.
            BrokenRecordError: the record of its push is none.
        """
        place = (registered.name, registered.version)
        record = self.pushed.get(place)
        if isinstance(record, BrokenRecordError):
            raise BrokenRecordError(f"{registered.name}@{registered.version}")
        if record is None or not record.columns:
            raise never_pushed(self.state, *place)
        return record.columns

    def _inputs(self, views: Mapping[str, ReadView], chosen: Sequence[FeatureChoice]) -> list[FeatureInput]:
        """Return the features of some views.

        Raises:
            UsageError: a view has none of a name; where a version that waits for its push has it, the hint says so. Or
                two features have one name, as whoever reads can't give them others.
        """
        try:
            return feature_inputs({name: view.view for name, view in views.items()}, chosen)
        except OneNameError as error:
            raise UsageError(error.message, code=error.code, hint=_hint_to_ask_apart(*error.views)) from error
        except UsageError as error:
            waiting = self.waiting(views)
            raise UsageError(error.message, code=error.code, hint="; ".join(waiting) or error.hint) from error


def _hint_to_ask_apart(first: str, second: str) -> str:
    """Return what who asks for features of one name, of two views or of one, can do."""
    if first == second:
        return f"name it once: {first}:* is all features of the view"
    return f"an answer names features without their views: ask for those of {second} apart from those of {first}"
