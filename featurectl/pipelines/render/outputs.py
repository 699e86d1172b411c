"""Files that stages write, by the options that name them, where the disk below them is read-only or ends with them."""

from __future__ import annotations

from typing import Final

from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.pipelines.render.base import Site

_WRITTEN: Final = ("--out", "--html", "--grafana", "--write-allow")
_ELSEWHERE: Final = "name a path on a volume that you add to the pod or, of scores, a table of a database or a topic"


def unwritable_outputs(site: Site, pipeline: Pipeline) -> tuple[str, ...]:
    """Return that stages write below the root of a pod, which is read-only; nothing where none does."""
    found = [text for text, path in _outputs(pipeline) if not _is_writable(site, path)]
    if not found:
        return ()
    return (f"the file system of a pod is read-only, and stages write there: {', '.join(found)}; {_ELSEWHERE}",)


def passing_outputs(pipeline: Pipeline) -> tuple[str, ...]:
    """Return that what stages write on a disk ends with their jobs; nothing where none does."""
    found = [text for text, _ in _outputs(pipeline)]
    if not found:
        return ()
    kept = "keep it by a step of your own or, of scores, name a table of a database or a topic"
    return (f"what stages write on a disk ends with their jobs: {', '.join(found)}; {kept}",)


def _outputs(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Return what stages write on a disk, in words, and the path of each."""
    options = [
        (stage.name, flag, value) for stage in pipeline.stages for flag, value in read_command(stage.run).options
    ]
    return [
        (f"{name} ({flag} {value})", path)
        for name, flag, value in options
        if flag in _WRITTEN and (path := _path_of(value))
    ]


def _path_of(value: str) -> str:
    """Return the path on a disk that an output is; "": it is none.

    >>> [_path_of(text) for text in ("rows/", "sqlite:///s.db?table=t", "topic:scores", "bigquery://a/b/c")]
    ['rows/', 's.db', '', '']
    """
    if value.startswith("sqlite:///"):
        return value.removeprefix("sqlite:///").partition("?")[0]
    return "" if value.startswith("topic:") or "://" in value else value


def _is_writable(site: Site, path: str) -> bool:
    """Return whether a path is on a volume: one that every pod has, or one that somebody has added by its path."""
    inner = path.removeprefix(f"{site.folder}/")
    return inner.startswith(("/", ".featurectl/"))
