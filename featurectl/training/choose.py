"""Which spine is meant: the model's own, a registered source, or a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from featurectl.errors import UsageError
from featurectl.registry.state import State
from featurectl.sources.base import SourceReader
from featurectl.spec.definition import Model, Source, Spine
from featurectl.spec.definition_json import load_source
from featurectl.training.spine import (
    DEFAULT_TIME,
    FILE_FORMATS,
    SpineRows,
    file_source,
    read_file_spine,
    read_source_spine,
)


def read_spine(
    open_source: Callable[[Source], SourceReader], state: State, model: Model | None, named: str | None
) -> SpineRows:
    """Return the rows of the spine that `named` names: a registered source, else a file; None is the model's own.

    The time column is the model's `spine.time`; a file without it, or without a model, has `event_time`; a source
    without a model has its own event time.

    Raises:
        UsageError: it is neither, or there is no model to take a spine from.
    """
    if named is None:
        if model is None:
            raise UsageError("--features needs a spine", hint="--spine FILE or --spine SOURCE")
        return read_source_spine(open_source(model.spine.source), model.spine)
    registered = state.current("source", named)
    if registered is not None:
        source = load_source(registered.definition)
        if model is not None and source.name == model.spine.source.name:
            return read_source_spine(open_source(model.spine.source), model.spine)
        time = model.spine.time if model is not None else source.event_time or DEFAULT_TIME
        return read_source_spine(open_source(source), Spine(source=source, time=time))
    path = Path(named)
    if path.suffix.lower() not in FILE_FORMATS and not path.exists():
        known = sorted({o.name for o in state.objects if o.kind == "source" and o.current})
        raise UsageError(f"--spine {named}: neither a source nor a file", hint="sources: " + ", ".join(known))
    file = file_source(path)
    return read_file_spine(open_source(file), path, model.spine.time if model is not None else DEFAULT_TIME)
