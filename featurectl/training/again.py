"""A training set made again from its manifest: the same tables, spine and definitions, or what of them is gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from featurectl.engines.base import Engine
from featurectl.engines.spill import SpillRoom
from featurectl.errors import DataError, FeaturectlError, UsageError
from featurectl.fingerprint import feature_fingerprints
from featurectl.spec.definition_json import load_model
from featurectl.training.bind import bind_view, inputs_of, registered_view
from featurectl.training.formats import format_of
from featurectl.training.join import BoundView
from featurectl.training.label import Target, read_target
from featurectl.training.manifest import SCHEMA_VERSION, library_versions
from featurectl.training.request import Asked, Stores, TrainingRequest, served_views
from featurectl.training.spine import FRAME, Cut, SpineRows
from featurectl.units import format_count, parse_instant

_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest as it was read, with the request that it keeps."""

    path: Path
    document: Mapping[str, Any]
    request: TrainingRequest


def load_manifest(path: Path, out: Path) -> Manifest:
    """Return a manifest, of a file of the format of `out`.

    Raises:
        UsageError: it is none that rows can be made from, or of another format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        request = _request(document)
        form = document["file"]["format"]
    except OSError as error:
        raise UsageError(f"--from-manifest {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        hint = "training-set writes NAME.manifest.json beside NAME"
        raise UsageError(f"--from-manifest {path}: no training set can be made from it", hint=hint) from error
    if form != format_of(out):
        raise UsageError(f"--out {out}: the manifest is of a file in {form}", hint=f"--out NAME.{form}")
    return Manifest(path=path, document=document, request=request)


def _request(document: Mapping[str, Any]) -> TrainingRequest:
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(document["schema_version"])
    spine, options = document["spine"], document["options"]
    pairs = [text.partition(":") for text in options["features"] or ()]
    since, until = (None if spine[key] is None else _instant(spine[key]) for key in ("since", "until"))
    return TrainingRequest(
        model=document["model"],
        features=tuple((view, feature) for view, _, feature in pairs),
        spine=options["spine"],
        cut=Cut(since=since, until=until, sample=float(spine["sample"]), seed=int(spine["seed"])),
        as_served=bool(options["as_served"]),
    )


def _instant(text: str) -> datetime:
    found = parse_instant(text)
    if found is None:
        raise ValueError(text)
    return found


def pinned_request(manifest: Manifest, stores: Stores, spine: str | None = None) -> Asked:
    """Return what a manifest pins: its own definition of the model, its versions of views and tables.

    `spine` is where its spine lies now; None: where it lay.

    Raises:
        DataError: FC520, a view version is registered no more, or a feature means something else by now.
    """
    document, request = manifest.document, replace(manifest.request, spine=spine or manifest.request.spine)
    if spine is None and document["spine"]["origin"] == FRAME:
        raise UsageError("the spine was a frame in memory", hint="write it into a file: --spine FILE")
    definition = document["definition"]
    model = None if definition is None else load_model(definition)
    views = {}
    for label, version in document["tables"].items():
        name, _, number = label.partition("@")
        views[name] = _pinned(manifest, stores, (name, int(number)), int(version))
    inputs = model.inputs if model else inputs_of(views, request.features)
    asked = Asked(request=request, model=model, inputs=inputs, views=served_views(views, request))
    for item in document["inputs"]:
        if item["kind"] == "feature":
            _check_meaning(manifest, views[item["view"]], item)
    return asked


def _pinned(manifest: Manifest, stores: Stores, view: tuple[str, int], version: int) -> BoundView:
    bound = _told(manifest, lambda: bind_view(stores.offline, registered_view(stores.state, *view)))
    return replace(bound, table_version=version, lacking=frozenset(), pinned=True)


def _check_meaning(manifest: Manifest, bound: BoundView, item: Mapping[str, Any]) -> None:
    found = feature_fingerprints(bound.view).get(item["feature"])
    if found != item["fingerprint"]:
        what = "has no feature" if found is None else "has another meaning of"
        raise _gone(manifest, f"{bound.label} {what} {item['feature']}")


def _told(manifest: Manifest, ask: Callable[[], T]) -> T:
    """Return an answer; what is not there any more is told as such."""
    try:
        return ask()
    except (UsageError, DataError) as error:
        raise _gone(manifest, error.message) from error


def _gone(manifest: Manifest, what: str) -> FeaturectlError:
    return DataError(f"{manifest.path.name} can't be made again: {what}", code="FC520")


def check_same_spine(manifest: Manifest, spine: SpineRows) -> None:
    """See that a spine is the manifest's.

    Raises:
        DataError: FC520, it has other rows.
    """
    was = manifest.document["spine"]
    if spine.own.height != was["rows"]:
        rows = f"{format_count(spine.own.height)} rows, it had {format_count(int(was['rows']))}"
        raise _gone(manifest, f"spine {spine.origin} has {rows}")
    if spine.sha256() != was["sha256"]:
        raise _gone(manifest, f"spine {spine.origin} has as many rows as it had, with other values or in another order")


def read_same_target(
    manifest: Manifest, engine: Engine, asked: Asked, stores: Stores, room: SpillRoom
) -> Target | None:
    """Return the label with the rows of its source that the manifest's had: those until its watermark.

    Raises:
        DataError: FC520, the source has other rows until then.
    """
    label, was = asked.model.spine.label if asked.model else None, manifest.document["label"] or {}
    if label is None or was.get("horizon") is None:
        return None if label is None else Target(label=label)
    until = _BEGINNING if was["watermark"] is None else _instant(was["watermark"])
    target = read_target(engine, label, stores.open_source, until, room)
    if target is not None and target.ahead is not None and target.ahead.rows.mark != was["source_rows"]:
        raise _gone(manifest, f"source {was['source']} of the label has other rows until {was['watermark']}")
    return target


def explain_difference(manifest: Manifest, made: Mapping[str, Any]) -> str:
    """Return why the bytes of a file are not those of a manifest, as far as its new manifest tells; "" where they are.

    Tables, spine and definitions are the same, or nothing was made. What is left are libraries, and a table that was
    deleted and made anew up to the version that is pinned.
    """
    if made["file"]["sha256"] == manifest.document["file"]["sha256"]:
        return ""
    was, now = manifest.document["libraries"], library_versions()
    others = [f"{name} is {now[name]}, was {was.get(name, 'none')}" for name in now if now[name] != was.get(name)]
    told = others or ["libraries, spine and table versions are the same, so the rows of a table are others"]
    return "; ".join(told)
