"""A spine scored a range at a time: while one range meets the model, the features of the next are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.memory import give_back
from featurectl.core.progress import Progress
from featurectl.core.units import format_iso
from featurectl.engines.base import Engine
from featurectl.models.runtimes.base import Scores
from featurectl.operations.outputs.frames import Frames
from featurectl.operations.scoring.checkpoint import ScoreCheckpoint, read_scores, read_unknown, rows_of
from featurectl.operations.scoring.scorer import CHUNK_ROWS, Scorer, predict_rows, score_columns
from featurectl.operations.training.join import check_inputs, join_features
from featurectl.operations.training.later_rows import count_early
from featurectl.operations.training.long_spine import AnySpine
from featurectl.operations.training.unknown_keys import UnknownRows
from featurectl.operations.views import BoundView

_BYTES: Final = 10  # of a value, more or less
_COPIES: Final = 2  # of a value while rows are joined
_AT_ONCE: Final = 2  # ranges: one is joined, one is scored
_SHARE: Final = 4  # a quarter of the memory
_RANGE_ROWS: Final = 1_000_000
_FEWEST_ROWS: Final = 50_000  # that are joined at once, however little memory there is: each join reads all tables
_TABLE_SHARE: Final = 2  # a range has no fewer rows than half of the greatest table: each range reads it anew


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """The rows of an output, ready to be written, and what the scores reach from and to (None: there are none).

    `unknown` are the rows with keys of which no view has a row, by the spine's columns of these.
    """

    frames: Frames
    least: float | None
    greatest: float | None
    unknown: Mapping[tuple[str, ...], int]


def check_names(scorer: Scorer, spine: AnySpine) -> None:
    """See that a spine leaves the names of the outputs free.

    Raises:
        DataError: FC516, it has a column of one.
    """
    for name in (scorer.output, "model_version"):
        if name in spine.schema:
            raise DataError(
                f"spine {spine.origin} has a column {name!r}, the name of an output",
                code="FC516",
                hint="rename it, or set `output: {name: ...}` in the model",
            )


def output_schema(scorer: Scorer, spine: AnySpine) -> pl.Schema:
    """Return the columns of the output: those of the spine, the score, and the version of the model."""
    return pl.Schema({**spine.schema, scorer.output: pl.Float64(), "model_version": pl.Int64()})


def score_spine(
    engine: Engine, scorer: Scorer, spine: AnySpine, checkpoint: ScoreCheckpoint, progress: Progress
) -> ScoredRows:
    """Return the spine's columns as they were, the score and `model_version`; a row per spine row, in its order.

    Scores go into `checkpoint` as they are made, a range at a time; those that are there already are not made again.

    Raises:
        DataError: FC506 the spine lacks a key or request column, FC504 a value does not fit its type.
    """
    first = sum(map(rows_of, checkpoint.done()))
    size = range_rows(engine, scorer, spine)
    starts = range(first, spine.height, size) if first or spine.height else range(1)
    score_ranges(engine, scorer, spine, starts, ScoreKeeper(add=checkpoint.add, progress=progress))
    return scored_rows(scorer, spine, checkpoint.done())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreKeeper:
    """Takes the scores of the rows from one on, with how many of them have unknown keys; `progress` hears how far."""

    add: Callable[[int, Scores, UnknownRows], object]
    progress: Progress


def score_ranges(engine: Engine, scorer: Scorer, spine: AnySpine, starts: range, to: ScoreKeeper) -> None:
    """Score the rows of a spine from the start of `starts` to its stop, as many at once as its step is.

    Raises:
        As `score_spine`.
    """
    to.progress.advance(starts.start, spine.height, "rows")
    for start, rows, unknown in joined_ranges(engine, scorer, spine, starts):
        to.add(start, predict_rows(scorer, rows, start), unknown)
        to.progress.advance(start + rows.height, spine.height, "rows")
        del rows  # before the next ones are waited for
        give_back()


def scored_rows(scorer: Scorer, spine: AnySpine, done: Sequence[Path]) -> ScoredRows:
    """Return the rows of an output whose scores are in files, in the order of the rows."""
    ends = [(scores.min(), scores.max()) for scores in map(read_scores, done) if len(scores)]
    return ScoredRows(
        frames=_frames(scorer, spine, done),
        least=float(min(least for least, _ in ends)) if ends else None,
        greatest=float(max(greatest for _, greatest in ends)) if ends else None,
        unknown=read_unknown(done),
    )


def range_rows(engine: Engine, scorer: Scorer, spine: AnySpine) -> int:
    """Return how many rows are scored at once: a multiple of the chunks that the model is given."""
    fit = _rows_that_fit(engine, scorer, spine)
    tables = [item.pruned(()).rows for item in scorer.views.values()]
    wanted = max(_RANGE_ROWS, *(rows // _TABLE_SHARE for rows in tables)) if tables else _RANGE_ROWS
    return max(min(fit, wanted) // CHUNK_ROWS, 1) * CHUNK_ROWS


def _rows_that_fit(engine: Engine, scorer: Scorer, spine: AnySpine) -> int:
    width = len(scorer.inputs) + len(spine.schema) + 1
    return engine.memory_bytes // _SHARE // _AT_ONCE // (width * _BYTES * _COPIES)


def joined_ranges(
    engine: Engine, scorer: Scorer, spine: AnySpine, starts: range
) -> Iterator[tuple[int, pl.DataFrame, UnknownRows]]:
    """Give each range's start, inputs, and rows of unknown keys, the next one on its way; none behind `starts.stop`.

    One that outgrows the memory is joined in parts.

    Raises:
        DataError: FC506 the spine lacks a key or request column, FC504 a value does not fit its type.
    """
    most = min(max(_rows_that_fit(engine, scorer, spine), _FEWEST_ROWS), starts.step)
    if spine.height > most or starts.start or starts.stop < spine.height:
        check_inputs(spine, scorer.inputs, scorer.views)  # so that errors count the rows of the whole spine

    def join(start: int) -> tuple[pl.DataFrame, UnknownRows]:
        end, unknown = max(min(start + starts.step, starts.stop, spine.height), start + 1), UnknownRows()
        rows = pl.concat(
            join_features(engine, spine.part(at, min(most, end - at)), scorer.inputs, scorer.views, unknown)
            for at in range(start, end, most)
        )
        return rows, unknown

    with ThreadPoolExecutor(1) as pool:
        waiting = [(start, pool.submit(join, start)) for start in starts[:1]]
        for start in [*starts[1:], None]:
            if not waiting:
                return
            now, rows = waiting.pop()
            ready = [rows.result()]
            del rows  # it holds them, too
            if start is not None:
                waiting.append((start, pool.submit(join, start)))
            yield now, *ready.pop()


def _frames(scorer: Scorer, spine: AnySpine, files: Sequence[Path]) -> Frames:
    def read() -> Iterator[pl.DataFrame]:
        start = 0
        for file in files:
            scores = read_scores(file)
            yield spine.part(start, len(scores)).own.with_columns(score_columns(scorer, scores))
            start += len(scores)

    return Frames(
        schema=output_schema(scorer, spine), height=spine.height, read=read, metadata=describe_version(scorer)
    )


def describe_version(scorer: Scorer) -> dict[str, str]:
    """Return what a file of scores says of the model that made them, ready for the metadata of Parquet."""
    version = scorer.version
    facts = {
        "model": version.model,
        "model_version": str(version.version),
        "artifact_sha256": version.artifact_sha256,
        "feature_views": ", ".join(sorted(f"{name}@{number}" for name, number in version.view_versions.items())),
    }
    return {f"featurectl.{name}": text for name, text in facts.items()}


def describe_scores(
    scorer: Scorer, views: Mapping[str, BoundView], spine: AnySpine, checkpoint: ScoreCheckpoint
) -> dict[str, object]:
    """Return the manifest of scores: the model, the versions of its features and of their tables, times and rows."""
    begun, version = checkpoint.begun, scorer.version
    assert begun is not None
    features = [
        {"name": item.name, "view": item.view, "version": item.view_version, "feature": item.feature}
        for item in version.inputs
        if item.view
    ]
    known = {"known_at": spine.known_column, "early": count_early(spine)} if spine.known_column else {}
    known |= {"erased": spine.erased} if spine.erased else {}
    of_spine = {"origin": spine.origin, "time": spine.time_column, **known, "rows": begun.rows, "sha256": begun.spine}
    return {
        "schema_version": 1,
        "model": version.model,
        "model_version": version.version,
        "artifact_sha256": version.artifact_sha256,
        "output": scorer.output,
        "features": features,
        "tables": {bound.label: bound.table_version for bound in views.values()},
        "known_at": format_iso(begun.known_at),
        "begun_at": format_iso(begun.begun_at),
        "spine": of_spine,
        "rows": spine.height,
    }
