"""A training set made again from its manifest: the same tables, spine and definitions, or what of them is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from featurectl.core.documents import parse_json
from featurectl.core.errors import DataError, FeaturectlError, StoreError, UsageError
from featurectl.core.units import counted, format_count, parse_instant, plural
from featurectl.engines.base import Engine
from featurectl.engines.spill import SpillRoom
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import Model, ModelInput
from featurectl.language.resolve.feature_names import FeatureChoice, feature_choices, feature_inputs
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_regular_file
from featurectl.operations.outputs.all_output_formats import format_of
from featurectl.operations.training.label import LabelTarget, read_target
from featurectl.operations.training.long_spine import AnySpine
from featurectl.operations.training.manifest import SCHEMA_VERSION, shown_refresh
from featurectl.operations.training.request import ResolvedRequest, TrainingRequest, served_views
from featurectl.operations.training.spine import FRAME, Cut
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.applied import registered_view
from featurectl.workspace.applied_workspace import AppliedWorkspace

_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_MOST_BYTES: Final = 64 << 20  # of a manifest, which names each column and file
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPin:
    """What a manifest says of the source of a label over a horizon: until when it was known, a digest of the rows.

    `first_event` None: no label was null for lying before it, as in manifests of before that was so.
    """

    source: str
    watermark: datetime | None
    first_event: datetime | None
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest as it was read.

    `tables` maps views to (version, version of the offline table); `meanings` are the fingerprints of (view, feature),
    `columns` the features by the names that they have in the rows. `views` are digests of the definitions by
    `view@version`, `refresh` what those declared whose values are as served.
    """

    path: Path
    request: TrainingRequest
    model: Model | None
    tables: Mapping[str, tuple[int, int]]
    meanings: Mapping[tuple[str, str], str]
    columns: tuple[FeatureChoice, ...]
    views: Mapping[str, str]
    refresh: Mapping[str, str | None]
    origin: str
    rows: int
    erased: int
    spine_sha256: str
    label: LabelPin | None
    libraries: Mapping[str, str]
    file_format: str
    file_sha256: str


def load_manifest(path: Path, out: Path) -> Manifest:
    """Return a manifest, of a file of the format of `out`.

    Raises:
        UsageError: it is none that rows can be made from, or of another format.
    """
    manifest = read_manifest(path)
    if manifest.file_format != format_of(out).name:
        form = manifest.file_format
        raise UsageError(f"--out {out}: the manifest is of a file in {form}", hint=f"--out NAME.{form}")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return a manifest of a file of any format.

    Raises:
        UsageError: it is none that rows can be made from.
    """
    try:
        return parse_manifest(path, parse_json(read_regular_file(path, _MOST_BYTES)))
    except OSError as error:
        raise UsageError(f"--from-manifest {path}: {error.strerror}") from error
    except (NotOwnFileError, FileTooLargeError) as error:
        raise UsageError(f"--from-manifest {path}: no manifest: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, StoreError) as error:
        hint = "training-set writes FILE.manifest.json beside FILE: train.parquet.manifest.json"
        raise UsageError(f"--from-manifest {path}: no training set can be made from it", hint=hint) from error


def parse_manifest(path: Path, document: Mapping[str, Any]) -> Manifest:
    """Return the manifest that a JSON document holds; `path` is what errors call it."""
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(document["schema_version"])
    definition, spine, file = document["definition"], document["spine"], document["file"]
    inputs = [item for item in document["inputs"] if item["kind"] == "feature"]
    return Manifest(
        path=path,
        request=_request(document),
        model=None if definition is None else load_model(definition),
        tables=dict(_table(label, version) for label, version in document["tables"].items()),
        meanings={(_text(item["view"]), _text(item["feature"])): _text(item["fingerprint"]) for item in inputs},
        columns=tuple(_column(item) for item in inputs),
        views={label: _text(digest) for label, digest in document["views"].items()},
        refresh=dict(document.get("refresh", {})),  # absent in manifests that were written before it stood there
        origin=_text(spine["origin"]),
        rows=int(spine["rows"]),
        erased=int(spine.get("erased", 0)),  # absent where no row was left out
        spine_sha256=_text(spine["sha256"]),
        label=_label(document["label"] or {}),
        libraries={str(name): str(version) for name, version in document["libraries"].items()},
        file_format=_text(file["format"]),
        file_sha256=_text(file["sha256"]),
    )


def _request(document: Mapping[str, Any]) -> TrainingRequest:
    spine, options = document["spine"], document["options"]
    at = options.get("at")
    since, until = (None if spine[key] is None else _instant(spine[key]) for key in ("since", "until"))
    return TrainingRequest(
        model=None if document["model"] is None else _text(document["model"]),
        features=tuple(feature_choices(options["features"] or ())),
        spine=None if options["spine"] is None else _text(options["spine"]),
        keys_from=None if at is None else _text(options["keys_from"]),
        at=None if at is None else _instant(at),
        time=None if options.get("time") is None else _text(options["time"]),
        known_at=None if options.get("known_at") is None else _text(options["known_at"]),
        join=tuple((_text(key), _text(column)) for key, column in options.get("join", {}).items()),
        cut=Cut(since=since, until=until, sample=float(spine["sample"]), seed=_seed(spine["seed"])),
        as_served=bool(options["as_served"]),
        inputs_only=bool(options.get("inputs_only", False)),
    )


def _column(item: Mapping[str, Any]) -> FeatureChoice:
    return FeatureChoice(_text(item["view"]), _text(item["feature"]), column=_text(item["name"]))


def _seed(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def _table(label: str, version: object) -> tuple[str, tuple[int, int]]:
    name, _, number = label.partition("@")
    return name, (int(number), int(str(version)))


def _label(document: Mapping[str, Any]) -> LabelPin | None:
    if "horizon" not in document:
        return None
    watermark = None if document["watermark"] is None else _instant(document["watermark"])
    first = None if document.get("first_event") is None else _instant(document["first_event"])
    source, rows = _text(document["source"]), _text(document["source_rows"])
    return LabelPin(source=source, watermark=watermark, first_event=first, rows=rows)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _instant(text: str) -> datetime:
    found = parse_instant(text)
    if found is None:
        raise ValueError(text)
    return found


def pinned_request(manifest: Manifest, applied: AppliedWorkspace, spine: str | None = None) -> ResolvedRequest:
    """Return what a manifest pins: its own definition of the model, its versions of views and tables.

    `spine` is where its spine lies now, `FRAME` where somebody has it in memory; None: where it lay.

    Raises:
        UsageError: nobody but its reader knows where the spine is.
        DataError: FC520, a view version is registered no more, a feature means something else by now, or a view whose
            values are as served is refreshed at other times.
    """
    if spine is None and manifest.origin == FRAME:
        raise UsageError("the spine was a frame in memory", hint="write it into a file: --spine FILE")
    request = replace(manifest.request, spine=None if spine == FRAME else spine or manifest.request.spine)
    views = {name: _pinned(manifest, applied, name, versions) for name, versions in manifest.tables.items()}
    _check_meanings(manifest, views)
    _check_refresh(manifest, views)
    inputs = _pinned_inputs(manifest, views)
    return ResolvedRequest(request=request, model=manifest.model, inputs=inputs, views=served_views(views, request))


def _pinned_inputs(manifest: Manifest, views: Mapping[str, BoundView]) -> Sequence[ModelInput]:
    """Return the inputs of the manifest's model, else the features that it has: a `*` may mean more by now."""
    if manifest.model is not None:
        return manifest.model.inputs
    definitions = {name: bound.view for name, bound in views.items()}
    return feature_inputs(definitions, manifest.columns, dict(manifest.request.join))


def _pinned(manifest: Manifest, applied: AppliedWorkspace, name: str, versions: tuple[int, int]) -> BoundView:
    version, table_version = versions
    bound = _or_gone(manifest, lambda: bind_view(applied.offline, registered_view(applied.state, name, version)))
    if (at := bound.stored.erased_since(table_version)) is not None:
        what = f"version {table_version} of the table of {bound.label} held rows that were erased on {at:%Y-%m-%d}"
        raise _erased(manifest, what)
    return replace(bound, table_version=table_version, lacking=frozenset(), pinned=True)


def _check_meanings(manifest: Manifest, views: Mapping[str, BoundView]) -> None:
    now = {name: feature_fingerprints(bound.view) for name, bound in views.items()}
    for (view, feature), fingerprint in manifest.meanings.items():
        found = now.get(view, {}).get(feature)
        if found != fingerprint:
            label = views[view].label if view in views else view
            what = "has no feature" if found is None else "has another meaning of"
            raise _gone(manifest, f"feature view {label} {what} {feature}")


def _check_refresh(manifest: Manifest, views: Mapping[str, BoundView]) -> None:
    for bound in views.values():
        was, now = manifest.refresh.get(bound.label, shown_refresh(bound.view)), shown_refresh(bound.view)
        if was != now:
            change = f"{now or 'no refresh'}, it was {was or 'none'}"
            raise _gone(manifest, f"its values are as served, and refresh of feature view {bound.label} is {change}")


def _or_gone(manifest: Manifest, ask: Callable[[], T]) -> T:
    """Return an answer; what is not there any more is named as such."""
    try:
        return ask()
    except (UsageError, DataError) as error:
        raise _gone(manifest, error.message) from error


def _gone(manifest: Manifest, what: str) -> FeaturectlError:
    return DataError(f"{manifest.path.name} can't be made again: {what}", code="FC520")


def _erased(manifest: Manifest, what: str) -> FeaturectlError:
    hint = "make another one, by the tables of now: featurectl training-set"
    return DataError(f"{manifest.path.name} can't be made again: {what}", code="FC529", hint=hint)


def check_same_spine(manifest: Manifest, spine: AnySpine) -> None:
    """See that a spine is the manifest's.

    Raises:
        DataError: FC520, it has other rows; FC529, keys of some were erased since.
    """
    if (more := spine.erased - manifest.erased) > 0:
        rows = f"{counted(more, 'row')} of spine {spine.origin} {plural(more, 'has', 'have')}"
        raise _erased(manifest, f"{rows} keys that were erased since")
    if spine.height != manifest.rows:
        rows = f"{counted(spine.height, 'row')}, it had {format_count(manifest.rows)}"
        raise _gone(manifest, f"spine {spine.origin} has {rows}")
    if spine.sha256() != manifest.spine_sha256:
        raise _gone(manifest, f"spine {spine.origin} has as many rows as it had, with other values or in another order")


def read_same_target(
    manifest: Manifest, engine: Engine, asked: ResolvedRequest, applied: AppliedWorkspace, room: SpillRoom
) -> LabelTarget | None:
    """Return the label with the rows of its source that the manifest's had: those until its watermark.

    Raises:
        DataError: FC520, the source has other rows until then.
    """
    label, pin = asked.model.spine.label if asked.model else None, manifest.label
    if label is None or pin is None:
        return None if label is None else LabelTarget(label=label)
    target = read_target(engine, label, applied.open_source, pin.watermark or _BEGINNING, room)
    if target is None or target.ahead is None:
        return target
    if target.ahead.rows.mark != pin.rows:
        raise _gone(manifest, f"source {pin.source} of the label has other rows until {pin.watermark}")
    return replace(target, ahead=replace(target.ahead, first_event=pin.first_event))


def explain_difference(manifest: Manifest, made: Mapping[str, Any]) -> str:
    """Return why a file, whose manifest is `made`, has not the bytes of another manifest; "" where it has.

    Spine, table versions and the meanings of features are the same, or nothing was made. What is left are libraries,
    what else a view declares, and a table that was deleted and made anew up to the version that is pinned.
    """
    if made["file"]["sha256"] == manifest.file_sha256:
        return ""
    was, now = manifest.libraries, made["libraries"]
    others = [f"{name} is {now[name]}, was {was.get(name, 'none')}" for name in now if now[name] != was.get(name)]
    digests = made["views"].items()
    others += [f"the definition of {label} has changed" for label, now in digests if manifest.views.get(label) != now]
    return "; ".join(others) or "libraries, spine and table versions are the same, so the rows of a table are others"
