"""Artifacts of models: files named by the digest of their bytes, below the offline location."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.errors import DataError, PlanError, StoreError

_WHERE: Final = "it lies below the `offline` location of the environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored file: its path below the offline location, its format, size and SHA-256."""

    path: str
    format: str
    size_bytes: int
    sha256: str


def write_artifact(location: str, model: str, kind: str, content: bytes) -> Artifact:
    """Write an artifact whole or not at all and return where it is; equal bytes are written once.

    Raises:
        StoreError: FC603, the offline location can't be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = f"models/{model}/{digest}.{kind}"
    target = _folder(location) / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or hashlib.sha256(target.read_bytes()).hexdigest() != digest:
            _write_whole(target, content)
    except OSError as error:
        raise StoreError(f"model artifact {path} can't be written: {error.strerror}", code="FC603") from error
    return Artifact(path=path, format=kind, size_bytes=len(content), sha256=digest)


def read_artifact(location: str, path: str, sha256: str) -> bytes:
    """Return the bytes of an artifact, checked against its digest before anything parses them.

    Raises:
        DataError: FC512, the file is gone, is not the one that was registered, or lies elsewhere than artifacts do.
    """
    parts = Path(path).parts
    if parts[:1] != ("models",) or ".." in parts:
        raise DataError(f"model artifact {path} lies outside of `models`", code="FC512", hint=_WHERE)
    target = _folder(location) / path
    try:
        content = target.read_bytes()
    except OSError as error:
        raise DataError(f"model artifact {path} can't be read: {error.strerror}", code="FC512") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"model artifact {path} is not the file that was registered", code="FC512", hint=_WHERE)
    return content


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:  # to be read by whom the umask lets: servers run as another user
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _folder(location: str) -> Path:
    if "://" in location:
        raise PlanError(
            "model artifacts in an object store are not in this version",
            code="FC402",
            hint="use a folder as `offline`",
        )
    return Path(location)
