"""The first lines of a rendered file: what made it, and a hash of what it was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from featurectl.pipelines.render.base import DeploymentsRequest, PipelineRequest, RenderedFile
from featurectl.pipelines.render.files import FileKind, WantedFile

_DIGITS: Final = 16


def wanted_files(request: PipelineRequest | DeploymentsRequest, rendered: Iterable[RenderedFile]) -> list[WantedFile]:
    """Return files as they should be, below a header of comments."""
    kind: FileKind = "pipeline" if isinstance(request, PipelineRequest) else "deployment"
    return [_wanted(request, file, kind) for file in rendered]


def _wanted(request: PipelineRequest | DeploymentsRequest, file: RenderedFile, kind: FileKind) -> WantedFile:
    made_of = input_hash(request, file.release)
    lines = ("Made of the repository's files: change those, and make this one again by", f"  {request.command}")
    header = "".join(f"# {line}\n" for line in (*lines, f"input {made_of}")) + "\n"
    return WantedFile(name=file.name, text=header + file.text, input=made_of, kind=kind)


def input_hash(request: PipelineRequest | DeploymentsRequest, release: str = "") -> str:
    """Return a hash of all that a target is given, and of the release that its file names."""
    return hashlib.sha256(f"{request!r}{release}".encode()).hexdigest()[:_DIGITS]
