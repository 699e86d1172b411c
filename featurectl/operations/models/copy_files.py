"""The files of a model version, from one offline location into another."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from featurectl.core.errors import DataError
from featurectl.models.artifact import read_artifact, write_artifact
from featurectl.models.card import CHART
from featurectl.registry.state import ModelVersion

_CHART: Final = re.compile(rf"\b([0-9a-f]{{64}})\.{CHART}\b")


def copy_files(version: ModelVersion, source: str, target: str) -> int:
    """Write the files of a version below another offline location, and return how many there are of it.

    Each is named by the digest of its bytes, and checked against it: what is there already stays, and a copy that was
    ended anywhere is gone on with.

    Raises:
        DataError: FC512, a file is gone or is another.
        StoreError: FC603, a location can't be read or written.
    """
    files = [*_own_files(version), *_charts(version, source)]
    for path, sha256 in files:
        content = read_artifact(source, path, sha256)
        write_artifact(target, version.model, _kind(path), content)
    return len(files)


def _kind(path: str) -> str:
    """Return what a file is: all that stands behind its digest, "profile.json" say."""
    return PurePosixPath(path).name.partition(".")[2]


def _own_files(version: ModelVersion) -> list[tuple[str, str]]:
    named = (
        (version.artifact, version.artifact_sha256),
        (version.onnx, version.onnx_sha256),
        (version.golden, version.golden_sha256),
        (version.judged, version.judged_sha256),
        (version.profile, version.profile_sha256),
        (version.card, version.card_sha256),
    )
    return [(path, sha256) for path, sha256 in named if path]


def _charts(version: ModelVersion, location: str) -> list[tuple[str, str]]:
    """Return the charts that a card shows and that are still there."""
    if not version.card:
        return []
    card = read_artifact(location, version.card, version.card_sha256).decode(errors="replace")
    found = []
    for sha256 in dict.fromkeys(_CHART.findall(card)):
        path = f"models/{version.model}/{sha256}.{CHART}"
        try:
            read_artifact(location, path, sha256)
        except DataError:
            continue  # a card is read without it, too
        found.append((path, sha256))
    return found
