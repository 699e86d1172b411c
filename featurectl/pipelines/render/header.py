"""The first lines of a rendered file: what made it, a hash of what it was made of, and by which release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from featurectl.core.version import __version__
from featurectl.pipelines.render.base import DeploymentsRequest, PipelineRequest, RenderedFile
from featurectl.pipelines.render.files import FileKind, WantedFile

_DIGITS: Final = 16


def wanted_files(request: PipelineRequest | DeploymentsRequest, rendered: Iterable[RenderedFile]) -> list[WantedFile]:
    """Return files as they should be, below a header of comments."""
    kind: FileKind = "pipeline" if isinstance(request, PipelineRequest) else "deployment"
    return [_wanted(request, file, kind) for file in rendered]


def _wanted(request: PipelineRequest | DeploymentsRequest, file: RenderedFile, kind: FileKind) -> WantedFile:
    made_of = input_hash(request)
    head = (
        "Made of the repository's files: change those, and make this one again by",
        f"  {request.command}",
        f"input {made_of}, featurectl {__version__}",
    )
    text = "".join(f"# {line}\n" for line in head) + "\n" + file.text
    return WantedFile(name=file.name, text=text, input=made_of, release=__version__, kind=kind)


def input_hash(request: PipelineRequest | DeploymentsRequest) -> str:
    """Return a hash of all that a target is given."""
    return hashlib.sha256(f"{request!r}".encode()).hexdigest()[:_DIGITS]
