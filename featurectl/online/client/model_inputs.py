"""All inputs of a model for many rows: features that were read, columns that the caller brought, derived ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from featurectl.core.dtypes import FLOAT64, TIMESTAMP
from featurectl.core.errors import DataError
from featurectl.core.units import instant_us
from featurectl.expressions.check import type_expression
from featurectl.expressions.row import to_closure
from featurectl.language.definitions.model import DerivedInput, FeatureInput, MissingPolicy, ModelInput, RequestInput
from featurectl.online.client.coerce import typed_column
from featurectl.online.client.feature_columns import FeatureColumns
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.read_view import ReadView
from featurectl.online.read import ASOF, constant_of, from_number, number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derivation:
    """A derived input: its function of the slots of a row, the type of what comes out, its default."""

    name: str
    closure: Callable[[Sequence[object]], object]
    dtype: str
    default: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a model says of rows without features (`no_row`), or with ones older than `max_age_us` (`stale`)."""

    no_row: MissingPolicy = "use"
    stale: MissingPolicy = "use"
    max_age_us: int | None = None


class InputReader:
    """The inputs of a model as rows ask for them; `types` are those of its features, by input name.

    Derived inputs see features, request columns and the derived inputs above them, with their defaults, and `asof`.
    """

    def __init__(
        self,
        inputs: Sequence[ModelInput],
        views: Mapping[str, ReadView],
        types: Mapping[str, str],
        missing: Missing | None = None,
    ) -> None:
        self.missing = missing or Missing()
        self.names = [item.name for item in inputs]
        self.features = FeatureReader([item for item in inputs if isinstance(item, FeatureInput)], views)
        self.request = {item.name: item.dtype for item in inputs if isinstance(item, RequestInput)}
        seen = [item.name for item in inputs if not isinstance(item, DerivedInput)]
        known = {name: types[name] for name in seen} | {ASOF: TIMESTAMP}
        self._seen = seen
        self._derived: list[_Derivation] = []
        slots = {name: i for i, name in enumerate([*seen, ASOF])}
        for item in inputs:
            if isinstance(item, DerivedInput):
                self._derived.append(_derivation(item, known, slots))
                known[item.name] = self._derived[-1].dtype
                slots[item.name] = len(slots)

    @property
    def columns(self) -> list[str]:
        """The columns that every row has to bring: keys, then request columns."""
        return list(dict.fromkeys([*self.features.key_types, *self.request]))

    def complete(self, read: FeatureColumns, given: Mapping[str, Sequence[object]]) -> dict[str, Sequence[object]]:
        """Return a column per input, in the model's order.

        Raises:
            DataError: FC506 a request column is missing, FC504 a value of it does not fit.
        """
        columns: dict[str, Sequence[object]] = {name: column.values for name, column in read.columns.items()}
        for name, dtype in self.request.items():
            if name not in given:
                raise DataError(f"column {name} is missing", code="FC506", hint="columns: " + ", ".join(self.columns))
            columns[name] = typed_column(given[name], dtype, name)
        if self._derived:
            columns |= self._derive(columns, read)
        return {name: columns[name] for name in self.names}

    def _derive(self, columns: Mapping[str, Sequence[object]], read: FeatureColumns) -> dict[str, list[object]]:
        now = instant_us(read.now)
        found: dict[str, list[object]] = {item.name: [] for item in self._derived}
        for i in range(read.count):
            slots = [number_of(columns[name][i]) for name in self._seen]
            slots.append(now if read.instants is None else read.instants[i].time_us)
            for item in self._derived:
                value = from_number(item.closure(slots), item.dtype)
                value = item.default if value is None else value
                found[item.name].append(value)
                slots.append(number_of(value))
        return found


def _derivation(item: DerivedInput, known: Mapping[str, str], slots: Mapping[str, int]) -> _Derivation:
    tree = type_expression(item.expression.text, known).tree
    assert tree is not None
    dtype = item.dtype or tree.dtype or FLOAT64
    default = None if item.default is None else constant_of(item.default, dtype)
    return _Derivation(name=item.name, closure=to_closure(tree, dict(slots)), dtype=dtype, default=default)
