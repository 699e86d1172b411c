"""What an online store answers for the rows of a spine at one instant, and a model's scores of it, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from featurectl.online.read import read_features
from featurectl.online.row_places import online_view
from featurectl.operations.views import bind_view
from featurectl.registry.applied import registered_view
from featurectl.workspace.open import open_workspace
from featurectl.workspace.workspace import Workspace
from tests.end_to_end.checks import draw_rows
from tests.end_to_end.declared import Column, read_columns
from tests.end_to_end.flights import SPINE, TIME, Repository
from tests.end_to_end.oracle import meaning

ENVIRONMENT = """\
  served:
    registry: sqlite:///served/registry.db
    offline: served/offline
    online: sqlite:///served/online.db
"""
SERVED = ("--env", "served")

Row = Mapping[str, object]


def add_environment(repository: Repository) -> None:
    """Give a repository an environment with stores of its own, and no fixed now."""
    path = repository.root / "featurectl.yaml"
    path.write_text(path.read_text().rstrip("\n") + "\n" + ENVIRONMENT)
    (repository.root / "served").mkdir()


def add_online(repository: Repository, env: str, url: str) -> None:
    """Give a repository an environment that reads the tables of `dev` and has an online store of its own."""
    path = repository.root / "featurectl.yaml"
    dev = "registry: sqlite:///.featurectl/registry.db, offline: .featurectl/offline"
    path.write_text(f'{path.read_text().rstrip()}\n  {env}: {{{dev}, online: "{url}"}}\n')


def write_requests(repository: Repository, at: datetime, count: int, seed: int) -> Path:
    """Write a spine of flights that are all decided at `at`: real ones, and four that nobody has heard of."""
    path = repository.root / "requests.parquet"
    requests_at(repository, at, count, seed).write_parquet(path)
    return path


def requests_at(repository: Repository, at: datetime, count: int, seed: int) -> pl.DataFrame:
    """Return the flights that `write_requests` writes."""
    rows = repository.rows(SPINE).filter((pl.col(TIME) - pl.lit(at)).abs() <= pl.duration(days=2))
    rows = rows[draw_rows(rows.height, count, seed)].drop("arr_delay", "is_late")
    odd = rows.head(4).with_columns(
        pl.Series("carrier", ["ZZ", *rows["carrier"][1:4]]),
        pl.Series("dest", [rows["dest"][0], "QQQ", *rows["dest"][2:4]]),
        pl.Series("tailnum", [*rows["tailnum"][:2], "N0NE", None]),
    )
    return pl.concat([rows, odd]).with_columns(pl.lit(at).alias(TIME))


def read_online(
    workspace: Workspace, view: str, entities: Sequence[Sequence[object]], at: datetime
) -> list[dict[str, object]]:
    """Return the online values of a view's entities at `at`, as `featurectl get` reads them."""
    bound = bind_view(workspace.offline(), registered_view(workspace.state(), view))
    where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
    answers = read_features(workspace.online(), bound.view, where, entities, at)  # type: ignore[arg-type]
    return [{name: found.value for name, found in answer.values.items()} for answer in answers]


def online_rows(repository: Repository, env: str, model: str, asked: pl.DataFrame, at: datetime) -> list[Row]:
    """Return the model's columns for each request, in order: the request's, the store's, and those made of them."""
    columns = read_columns(repository.root, model)
    rows = [{name: row[name] for name in (c.name for c in columns) if name in row} for row in asked.to_dicts()]
    answers: dict[tuple[object, ...], list[dict[str, object]]] = {}
    with open_workspace(repository.root, env, at) as workspace:
        for column in (c for c in columns if c.view is not None):
            place = (column.view, *column.join.values())  # type: ignore[union-attr]
            if place not in answers:
                entities = asked.select(column.join.values()).rows()  # type: ignore[union-attr]
                answers[place] = read_online(workspace, column.view, entities, at)  # type: ignore[arg-type]
            for row, found in zip(rows, answers[place], strict=True):
                value = found[column.feature]
                row[column.name] = column.default if value is None else value
    return [_finished(columns, row) for row in rows]


def scores_by_hand(repository: Repository, env: str, model: str, rows: Sequence[Row], at: datetime) -> np.ndarray:
    """Return the scores of the champion's artifact for rows of inputs, encoded here."""
    with open_workspace(repository.root, env, at) as workspace:
        state = workspace.state()
        version = state.model_version(model, state.aliases[model, "champion"])
        artifact = Path(workspace.offline_location()) / version.artifact  # type: ignore[union-attr]
    matrix = np.array([[_number(row[i.name], i.categories) for i in version.inputs] for row in rows], dtype=np.float32)  # type: ignore[union-attr]
    return lightgbm.Booster(model_file=artifact).predict(matrix)  # type: ignore[return-value]


def _number(value: object, categories: Sequence[str] | None) -> float:
    if value is None:
        return math.nan
    if categories is not None:
        return categories.index(value) if value in categories else math.nan
    return value  # type: ignore[return-value]


def _finished(columns: Sequence[Column], row: dict[str, object]) -> Row:
    for column in columns:
        if column.expr:
            row[column.name] = meaning(column.expr)(row)
    return {column.name: row[column.name] for column in columns}
