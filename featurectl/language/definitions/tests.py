"""Feature tests, as they are declared: rows in, rows that are expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from featurectl.language.definitions.model import Model
from featurectl.language.definitions.view import FeatureView
from featurectl.language.syntax.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTest:
    """A unit test of a view: rows of its source in, values of its features out, one `expect` for each spine row.

    `others` are the rows of a transform's other sources, by their names.

    Values are as written: numbers, texts, true, false, None; times are ISO texts. `expect` names only the columns
    that it compares.
    """

    name: str
    view: FeatureView
    rows: tuple[Mapping[str, object], ...]
    spine: tuple[Mapping[str, object], ...]
    expect: tuple[Mapping[str, object], ...]
    place: Place
    others: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTest:
    """A unit test of a model: rows of its views' sources in, columns of its training set out.

    `views` are those that the model reads, `rows` those of each source that has any, by its name. The spine's rows hold
    its columns, the time by its name in the spine. Values are as in `FeatureTest`.
    """

    name: str
    model: Model
    views: Mapping[str, FeatureView]
    rows: Mapping[str, tuple[Mapping[str, object], ...]]
    spine: tuple[Mapping[str, object], ...]
    expect: tuple[Mapping[str, object], ...]
    place: Place
