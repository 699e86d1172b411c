"""Rows of the registry's tables as the state that they say, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from featurectl.core.documents import of_fields, parse_json
from featurectl.core.erasures import Tombstone
from featurectl.core.units import format_iso, parse_instant
from featurectl.language.definitions.gates import CanarySuccess
from featurectl.language.definitions.unreadable import unreadable_document
from featurectl.registry.base import HistoryEntry, SeenColumns
from featurectl.registry.state import BoundFeature, CanaryRun, GateResult, ModelVersion, ObjectVersion

T = TypeVar("T")
TableRow = Mapping[str, Any]


def object_row(project: str, item: ObjectVersion, at: datetime) -> dict[str, object]:
    """Return the row of an object's version; `at` is when it was applied unless the object says so itself."""
    return {
        "project": project,
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "definition": _dump(item.definition),
        "features": _dump(item.features),
        "data": item.data,
        "metadata": item.metadata,
        "applied_at": format_iso(item.applied_at or at),
        "current": item.current,
    }


def load_object(row: TableRow) -> ObjectVersion:
    """Return the object's version that a row holds."""
    return ObjectVersion(
        kind=row["kind"],
        name=row["name"],
        version=row["version"],
        definition=read_document(row["definition"], _mapping),
        features=read_document(row["features"], _mapping),
        data=row["data"],
        metadata=row["metadata"],
        applied_at=parse_instant(row["applied_at"]),
        current=row["current"],
    )


def load_view_columns(rows: Iterable[TableRow]) -> SeenColumns:
    """Return the columns of view versions that rows hold."""
    return {(row["view"], row["version"]): read_document(row["columns"], _mapping) for row in rows}


def load_tombstone(row: TableRow) -> Tombstone:
    """Return the tombstone that a row holds.

    Raises:
        StoreError: FC601, the names of its keys are no list.
    """
    return Tombstone(
        number=int(row["number"]),
        entity=str(row["entity"]),
        keys=tuple(map(str, read_document(row["keys"], _sequence))),
        digest=str(row["digest"]),
        quick=int(row["quick"]),
        at=datetime.fromisoformat(row["at"]),
        done_at=datetime.fromisoformat(row["done_at"]) if row["done_at"] else None,
    )


def model_document(version: ModelVersion) -> str:
    """Return a model version as JSON text."""
    return _dump(asdict(version) | {"created_at": format_iso(version.created_at)})


def load_model_version(document: str) -> ModelVersion:
    """Return the model version of a JSON text.

    Raises:
        StoreError: FC601, it is none.
    """
    return read_document(document, _model_version)


def load_model_versions(
    documents: Iterable[str], aliases: Mapping[tuple[str, str], int], canaries: Sequence[CanaryRun]
) -> tuple[ModelVersion, ...]:
    """Return the model versions of JSON texts; what an alias or a running canary names is not rejected any more.

    Somebody promoted it by other gates than those that it failed, and registries of before this was recorded say
    "rejected" of it still.
    """
    named = {(model, number) for (model, _), number in aliases.items()}
    running = [run for run in canaries if run.state == "running"]
    named |= {(run.model, number) for run in running for number in (run.champion, run.challenger)}
    versions = map(load_model_version, documents)
    return tuple(accepted(version) if (version.model, version.version) in named else version for version in versions)


def accepted(version: ModelVersion) -> ModelVersion:
    """Return a version as one that is rejected no more."""
    return replace(version, status="registered") if version.status == "rejected" else version


def _model_version(fields: dict[str, Any]) -> ModelVersion:
    created = parse_instant(fields["created_at"])
    assert created is not None, f"no instant: {fields['created_at']}"
    inputs = tuple(_load_input(item) for item in fields["inputs"])
    gates = tuple(of_fields(GateResult, item) for item in fields.get("gates", ()))
    return of_fields(ModelVersion, fields | {"created_at": created, "inputs": inputs, "gates": gates})


def read_document(text: str, make: Callable[[Any], T]) -> T:
    """Return what is made of a document of the registry.

    Raises:
        StoreError: FC601, it is no JSON, or JSON of which nothing of the kind can be made; FC604, a newer version has
            written it.
    """
    try:
        return make(parse_json(text))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise unreadable_document("a document", error) from error


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise TypeError(found)
    return found


def _sequence(found: Any) -> Sequence[object]:
    if not isinstance(found, list):
        raise TypeError(found)
    return found


def _load_input(fields: dict[str, Any]) -> BoundFeature:
    if fields["categories"] is not None:
        fields = fields | {"categories": tuple(fields["categories"])}
    return of_fields(BoundFeature, fields)


def history_row(project: str, entry: HistoryEntry, serial: int) -> dict[str, object]:
    """Return the row of a history entry under the serial that it made."""
    return {
        "project": project,
        "serial": serial,
        "at": format_iso(entry.at),
        "who": entry.who,
        "commit_id": entry.commit,
        "command": entry.command,
        "summary": entry.summary,
        "plan": entry.plan,
    }


def canary_document(run: CanaryRun) -> str:
    """Return a canary as JSON text."""
    decided = format_iso(run.decided_at) if run.decided_at else None
    return _dump(asdict(run) | {"started_at": format_iso(run.started_at), "decided_at": decided})


def load_canary(document: str) -> CanaryRun:
    """Return the canary of a JSON text.

    Raises:
        StoreError: FC601, it is none.
    """
    return read_document(document, _canary)


def _canary(fields: dict[str, Any]) -> CanaryRun:
    started = parse_instant(fields["started_at"])
    assert started is not None, f"no instant: {fields['started_at']}"
    fields |= {"started_at": started, "success": of_fields(CanarySuccess, fields["success"])}
    decided = fields["decided_at"] and parse_instant(fields["decided_at"])
    return of_fields(CanaryRun, fields | {"decided_at": decided})


def registered_entry(version: ModelVersion, aliases: Sequence[str], who: str) -> HistoryEntry:
    """Return what the history says of a model version: "late v3, champion -> v3"."""
    rejected = " (rejected)" if version.status == "rejected" else ""
    moved = "".join(f", {alias} -> v{version.version}" for alias in aliases)
    return HistoryEntry(
        serial=0,
        at=version.created_at,
        who=who,
        commit=version.code_commit,
        command="train",
        summary=f"{version.model} v{version.version}{rejected}{moved}",
    )


def load_history(row: TableRow) -> HistoryEntry:
    """Return the history entry that a row holds; a registry of the first schema keeps no plans."""
    at = parse_instant(row["at"])
    assert at is not None, f"no instant: {row['at']}"
    return HistoryEntry(
        serial=row["serial"],
        at=at,
        who=row["who"],
        commit=row["commit_id"],
        command=row["command"],
        summary=row["summary"],
        plan=row.get("plan", ""),
    )


def _dump(value: object) -> str:
    """Return JSON text that keeps the order of keys: the order of an entity's keys has a meaning."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
