"""Artifacts of models: files named by the digest of their bytes, below the offline location."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from featurectl.core.errors import DataError, StoreError
from featurectl.offline.open_plain_files import open_loose
from featurectl.registry.state import ModelVersion

_PROBE: Final = "models/none"  # a file that is not there
_WHERE: Final = "it lies below the `offline` location of the environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored file: its path below the offline location, its format, size and SHA-256."""

    path: str
    format: str
    size_bytes: int
    sha256: str


def check_artifacts(location: str) -> None:
    """See that there is a place for artifacts that answers: nobody fits a model for an hour that can't be kept.

    Raises:
        UsageError: it is an object store, and the library for it is not installed.
        StoreError: FC603, the offline location can't be read.
    """
    try:
        open_loose(location).read(_PROBE)
    except StoreError as error:
        message = error.message.replace(_PROBE, "the folder `models` of artifacts")
        raise StoreError(message, code=error.code, hint=error.hint) from error


def write_artifact(location: str, model: str, kind: str, content: bytes) -> Artifact:
    """Write an artifact whole or not at all and return where it is; equal bytes are one file.

    One that is there is written again: its age is what keeps `clean` from a file that is not registered yet.

    Raises:
        StoreError: FC603, the offline location can't be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = f"models/{model}/{digest}.{kind}"
    try:
        open_loose(location).write(path, content)
    except StoreError as error:
        raise _of_artifact(error) from error
    return Artifact(path=path, format=kind, size_bytes=len(content), sha256=digest)


def check_files_of(location: str, version: ModelVersion) -> None:
    """Check that the files are there by which a version is scored and served.

    Raises:
        DataError: FC512, one is gone or is another.
        StoreError: the store can't be read now.
    """
    for path, sha256 in (
        (version.artifact, version.artifact_sha256),
        (version.onnx, version.onnx_sha256),
        (version.golden, version.golden_sha256),
    ):
        if path:
            read_artifact(location, path, sha256)


def read_artifact(location: str, path: str, sha256: str) -> bytes:
    """Return the bytes of an artifact, checked against its digest before anything parses them.

    Raises:
        DataError: FC512, the file is gone, is not the one that was registered, or lies elsewhere than artifacts do.
        StoreError: FC603, the offline location can't be read.
    """
    parts = PurePosixPath(path).parts
    if parts[:1] != ("models",) or ".." in parts:
        raise DataError(f"model artifact {path} lies outside of `models`", code="FC512", hint=_WHERE)
    files = open_loose(location)
    try:
        content = files.read(path)
    except StoreError as error:
        raise _of_artifact(error) from error
    if content is None:
        raise DataError(f"model artifact {path} is gone", code="FC512", hint=_WHERE)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"model artifact {path} is not the file that was registered", code="FC512", hint=_WHERE)
    return content


def _of_artifact(error: StoreError) -> StoreError:
    return StoreError(f"model artifact {error.message}", code=error.code, hint=error.hint or _WHERE)
