"""What is applied: list, show, search, lineage, statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from featurectl.api.base import ProjectBase, texts_of
from featurectl.api.pages import LineagePage, ObjectPage, StatisticsPage, as_page
from featurectl.api.results import ResultTable
from featurectl.catalog.detail import DEPTH, ShowRequest, show_objects
from featurectl.catalog.documents import hit_document, object_document, statistics_document
from featurectl.catalog.lineage import lineage_of_name
from featurectl.catalog.listing import ListRequest, list_objects, needs_files
from featurectl.catalog.objects import CATALOG_KINDS, CatalogKind, kind_of_word
from featurectl.catalog.search import SearchHit, SearchRequest, search_objects
from featurectl.catalog.statistics import FeatureStatistics, format_value
from featurectl.catalog.summaries import ObjectSummary
from featurectl.core.dtypes import DATE, TIMESTAMP
from featurectl.core.errors import UsageError
from featurectl.render.catalog import render_hits, render_objects
from featurectl.render.statistics import spread_text


class LookingMethods(ProjectBase):
    """Methods that read the registry; with `state`, `sample` and `keys` the stores, too."""

    def list(
        self, kind: str | None = None, *, select: str | Sequence[str] = (), state: bool = False
    ) -> ResultTable[ObjectSummary]:
        """Return what is applied: `"views"`, `"features"`, `"models"`, ...; all but features by default.

        `select` are terms as `--select` takes them; `state`: the stores are looked at.

        Raises:
            UsageError: there is no such kind, or a term chooses nothing.
            CheckFailedError: nothing is applied.
            StoreError: the registry can't be read.
        """
        kinds = _kinds(kind, tuple(each for each in CATALOG_KINDS if each != "feature"))
        request = ListRequest(kinds=kinds, select=texts_of(select), state=state)
        with self.workspace("unread" if needs_files(request.select) else "project file") as workspace:
            return ResultTable(list_objects(workspace, request, self.open_progress()), object_document, render_objects)

    def show(
        self,
        name: str,
        *,
        depth: int | None = DEPTH,
        state: bool = False,
        sample: int | None = None,
        keys: bool = False,
    ) -> ObjectPage:
        """Return all of an object: `"spend"`, `"spend:count_7d"`, `"source:orders"`.

        `depth` is how many steps of lineage (None: all), `sample` of how many entities statistics are computed now,
        `keys` whether some keys are given.

        Raises:
            UsageError: nothing of that name is applied, or several objects are.
            DataError, StoreError: with `sample` or `keys`, the table of a view is not there or can't be read.
        """
        request = ShowRequest(name=name, depth=depth, state=state, sample=sample, keys=keys)
        with self.workspace("project file") as workspace:
            found = show_objects(workspace, request, self.open_progress())
        if len(found) > 1:
            kinds = " or ".join(f"{item.summary.kind}:{name}" for item in found)
            raise UsageError(f"{name} is the name of several objects", hint=kinds)
        return as_page(ObjectPage, found[0])

    def search(self, text: str, kind: str | None = None) -> ResultTable[SearchHit]:
        """Return what has all the words of a text, the best first.

        Raises:
            UsageError: there are no words, or there is no such kind.
        """
        request = SearchRequest(text=text, kinds=_kinds(kind, CATALOG_KINDS))
        with self.workspace("project file") as workspace:
            return ResultTable(search_objects(workspace, request), hit_document, render_hits)

    def lineage(self, name: str | None = None, depth: int | None = None) -> LineagePage:
        """Return what an object is made of and what is made of it; without a name, of the whole project.

        Raises:
            UsageError: nothing of that name has a lineage.
        """
        with self.workspace("project file") as workspace:
            return as_page(LineagePage, lineage_of_name(workspace, name, depth))

    def stats(self, name: str, sample: int | None = None) -> StatisticsTable:
        """Return how the values of a feature lie (`"spend:count_7d"`), or those of each feature of a view.

        They are those of the newest model that was trained on it; with `sample` they are computed now, of so many
        entities. What no model was trained on has none unless `sample` is given.

        Raises:
            UsageError: nothing of that name is applied.
            DataError, StoreError: with `sample`, the table of the view is not there or can't be read.
        """
        found = self.show(name, sample=sample)
        return StatisticsTable(found.statistics.values(), self._in_python(found.statistics_missing))


class StatisticsTable(ResultTable[StatisticsPage]):
    """Statistics of features; those of one alone are drawn with their bars."""

    def __init__(self, found: Iterable[FeatureStatistics], missing: str = "") -> None:
        super().__init__([as_page(StatisticsPage, item) for item in found], _statistics_row, head=missing)

    def __repr__(self) -> str:
        return repr(self[0]) if len(self) == 1 else super().__repr__()

    def _repr_html_(self) -> str:
        return self[0]._repr_html_() if len(self) == 1 else super()._repr_html_()

    def _drawn(self, row: Callable[[StatisticsPage], Mapping[str, object]] | None = None) -> pl.DataFrame:
        """Return the frame that is shown: dates and timestamps among the numbers as such, all of them as texts then."""
        has_times = any(item.dtype in (DATE, TIMESTAMP) for item in self)
        return super()._drawn(_shown_row if has_times else row)


def _shown_row(item: FeatureStatistics) -> Mapping[str, object]:
    row = _statistics_row(item)
    numbers = {name: value for name, value in row.items() if name in ("min", "max", "mean") or name.endswith("%")}
    texts = {name: None if value is None else format_value(value, item.dtype) for name, value in numbers.items()}
    stddev = None if item.stddev is None else spread_text(item.stddev, item.dtype)
    return {**row, **texts, "stddev": stddev}


def _statistics_row(item: FeatureStatistics) -> Mapping[str, Any]:
    document = statistics_document(item)
    quantiles = {f"{100 * share:g}%": value for share, value in item.quantiles.items()}
    return {name: value for name, value in document.items() if name not in ("quantiles", "histogram")} | quantiles


def _kinds(kind: str | None, default: tuple[CatalogKind, ...]) -> tuple[CatalogKind, ...]:
    return default if kind is None else (kind_of_word(kind),)
