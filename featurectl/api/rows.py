"""Rows with the manifest that says what they were made of: of a training set, and scored."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Generic, NamedTuple, cast

from featurectl.api.frames import (
    FrameT,
    column_of,
    columns_of,
    labelled_rows,
    numbers_as_float32,
    with_categories,
)
from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.models.request_matrix import CATEGORY
from featurectl.operations.training.erased_spine import erased_lines
from featurectl.operations.training.unknown_keys import unknown_lines


class RowsWithManifest(NamedTuple, Generic[FrameT]):
    """A frame of `rows` and the `manifest` that says what they were made of; it reads as the frame."""

    rows: FrameT
    manifest: dict[str, object]

    def __repr__(self) -> str:
        return f"{self.rows!r}\nwith its manifest"

    def _repr_html_(self) -> str:
        draw = getattr(self.rows, "_repr_html_", None)
        return f"{draw() if draw else f'<pre>{escape(repr(self.rows))}</pre>'}<p>with its manifest</p>"


class ScoredFrame(RowsWithManifest[FrameT]):
    """Scores: `rows` as `featurectl score` writes them, and the `manifest` that stands beside them."""

    __slots__ = ()


class TrainingFrame(RowsWithManifest[FrameT]):
    """A training set: `rows` as `featurectl training-set` writes them, and the `manifest` that stands beside them."""

    __slots__ = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of the rows: of how many no view knows the keys, and how many were left out as erased.

        Reading the result shows it too.
        """
        found = cast("Sequence[dict[str, Any]]", self.manifest.get("unknown", ()))
        unknown = {tuple(item["keys"]): item["rows"] for item in found}
        erased = cast("dict[str, Any]", self.manifest["spine"]).get("erased", 0)
        return (*erased_lines(erased), *unknown_lines(unknown, cast("int", self.manifest["rows"])))

    def __repr__(self) -> str:
        return "\n".join([RowsWithManifest.__repr__(self), *self.notes])

    def _repr_html_(self) -> str:
        return RowsWithManifest._repr_html_(self) + "".join(f"<p>{escape(note)}</p>" for note in self.notes)

    @property
    def inputs(self) -> FrameT:
        """The features of each row, and the request columns and derived inputs of a model, in its order."""
        return cast("FrameT", columns_of(self.rows, self._input_names()))

    @property
    def label(self) -> Any:
        """The label of each row, by the model's own spine; null where there is none."""
        return column_of(self.rows, self._label_name(None))

    def xy(self, label: str | None = None, *, as_stored: bool = False) -> tuple[FrameT, Any]:
        """Return the inputs and the label of the rows that have one, as `fit(X, y)` takes them.

        Numbers among the inputs are float32, as every model is given them when it scores, so that one that is fitted
        on these and imported gives the same scores; `as_stored` leaves them in the types that they are stored in. A
        category of the model is a `category` of pandas, with the values that `train` takes.
        `label`: the column that holds it, where no model says so.

        Raises:
            UsageError: there is no label, or no such column.
        """
        name = self._label_name(label)
        rows = labelled_rows(self.rows, name)
        inputs = [each for each in self._input_names() if each != name]
        found = columns_of(rows, inputs)
        if not as_stored:
            found = with_categories(numbers_as_float32(found), self._categories())
        return cast("FrameT", found), column_of(rows, name)

    def _categories(self) -> dict[str, Sequence[str] | None]:
        """Return the lists of the model's categories, None of one that takes the values of its rows."""
        model = cast("dict[str, Any] | None", self.manifest["definition"])
        inputs = model["inputs"] if model else []
        return {item["name"]: item.get("categories") for item in inputs if item.get("model_dtype") == CATEGORY}

    def _input_names(self) -> list[str]:
        return [item["name"] for item in cast("Sequence[dict[str, str]]", self.manifest["inputs"])]

    def _label_name(self, given: str | None) -> str:
        of_model = cast("dict[str, str] | None", self.manifest["label"])
        name = given or (of_model["name"] if of_model else "")
        columns = cast("list[str]", self.manifest["columns"])
        if not name:
            raise UsageError("these rows have no label", hint='xy("COLUMN") says which column of the spine it is')
        if name not in columns:
            hint = did_you_mean(name, columns) or "columns: " + ", ".join(columns)
            raise UsageError(f"these rows have no column {name!r}", hint=hint)
        return name
