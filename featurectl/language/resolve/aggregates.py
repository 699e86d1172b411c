"""Aggregates of an event view -> its features, and the inputs that its table keeps for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.aggregates import AGGREGATES, aggregate_base, aggregate_name, meant_aggregate
from featurectl.language.definitions.source import NamedExpression
from featurectl.language.definitions.view import Derived, Feature
from featurectl.language.resolve.about import freshness_of
from featurectl.language.resolve.declarations import Declarations, report_issues
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.values import NAME, is_reserved
from featurectl.language.shapes.view import AggregateShape
from featurectl.language.syntax.node import ScalarNode
from featurectl.language.syntax.place import Place
from featurectl.language.typing.scope import Part, Scope, bare_column


@dataclass(slots=True)
class Stored:
    """What a view keeps: inputs by name, features in order, the place of each part, and every name as it is made.

    `aliases` are the names that features had before, each with the feature's own.
    """

    keys: tuple[str, ...]
    inputs: dict[str, NamedExpression] = field(default_factory=dict)
    features: list[Feature] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    named: list[tuple[str, Place]] = field(default_factory=list)
    aliases: list[tuple[str, str, Place]] = field(default_factory=list)
    places: dict[Part, ScalarNode | Place] = field(default_factory=dict)

    def keep(self, wanted: str, text: str, place: ScalarNode | Place) -> str:
        """Keep an input under its wanted name, or near it when another has it, and return the name."""
        taken = is_reserved(wanted) or wanted in self.keys
        name = wanted if NAME.fullmatch(wanted) and not taken else f"{wanted.lower()}_value"
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
        while name in self.inputs and self.inputs[name].expression.text != text:
            name += "_"
        if name not in self.inputs:
            self.inputs[name] = NamedExpression(name=name, expression=Expression(text))
            self.places[("input", name)] = place
        return name


def add_aggregate(
    shape: AggregateShape, stored: Stored, columns: Mapping[str, str] | None, declared: Declarations
) -> None:
    """Add the features of one aggregate; what is wrong with it is reported and leaves it out."""
    ops = list(_ops(shape, declared))
    lacking = {lack: node for op, node in reversed(ops) if (lack := _lack(shape, op))}
    for lack, node in lacking.items():
        declared.report.error(lack.code, lack.message, (shape.fields.scalar(lack.key) or node).span.place)
    ops = [(op, node) for op, node in ops if _lack(shape, op) is None]
    if not ops or not _pieces_fit(shape, columns, declared):
        return
    column = _input(shape, stored)
    for op, node in ops:
        base = _base(shape, op, node, declared)
        for window_us, window in zip(shape.windows, _windows(shape), strict=True) if base else ():
            name = aggregate_name(base, window.text, shape.fields.text("offset"))
            stored.places.setdefault(("feature", name), node)
            stored.named.append((name, window.span.place))
            if (default := shape.fields.scalar("default")) is not None:
                stored.places.setdefault(("feature", name, "default"), default)
            stored.features.append(
                Feature(
                    name=name,
                    op=op,
                    column=column,
                    dtype=None,
                    window_us=window_us,
                    offset_us=shape.offset or 0,
                    n=shape.n if AGGREGATES[op].parameter == "n" else None,
                    q=shape.q if AGGREGATES[op].parameter == "q" else None,
                    default=shape.default,
                    freshness=freshness_of(shape.freshness),
                    description=shape.description,
                    aliases=_aliases(shape, name, window.text, stored, declared),
                )
            )


def _base(shape: AggregateShape, op: str, node: ScalarNode, declared: Declarations) -> str:
    """Return what stands before the window in the names of an aggregate's features; "" for no name, with FC105."""
    base = shape.name or aggregate_base(op, shape.column, shape.n, shape.q)
    if NAME.fullmatch(base):
        return base
    if shape.name is None:
        message = f'"{base}" is no name for a feature: give the aggregate a `name`'
        declared.report.error("FC105", message, node.span.place)
    return ""


def _aliases(shape: AggregateShape, name: str, window: str, stored: Stored, declared: Declarations) -> tuple[str, ...]:
    """Return what a feature of an aggregate was called before, and keep where that stands."""
    found = []
    ending = aggregate_name("", window, shape.fields.text("offset"))
    for node in listed_names(shape.fields, "aliases"):
        if base := node.text.removesuffix(ending) if node.text.endswith(ending) else "":
            message = f'alias "{node.text}" of an aggregate: it is the name before the window, here "{base}"'
            suggestion = f'did you mean "{base}"?'
            declared.report.error("FC105", message, node.span.place, suggestion=suggestion)
            continue
        alias = f"{node.text}{ending}"
        stored.aliases.append((alias, name, node.span.place))
        found.append(alias)
    return tuple(found)


def _windows(shape: AggregateShape) -> list[ScalarNode]:
    return listed_names(shape.fields, "windows")


def _ops(shape: AggregateShape, declared: Declarations) -> Iterator[tuple[str, ScalarNode]]:
    nodes = listed_names(shape.fields, "op") or [node for node in [shape.fields.scalar("op")] if node]
    for op, node in zip(shape.op, nodes, strict=True):
        if op in AGGREGATES:
            yield op, node
            continue
        note = f"aggregates: {', '.join(AGGREGATES)}"
        suggestion = meant_aggregate(op)
        declared.report.error("FC104", f'no aggregate "{op}"', node.span.place, suggestion=suggestion, note=note)


@dataclass(frozen=True, slots=True)
class _Lack:
    """What an aggregate lacks or has too much: at the key's value when it has that key, else at the op."""

    message: str
    key: str = ""
    code: str = "FC304"


def _lack(shape: AggregateShape, op: str) -> _Lack | None:
    """Return what an aggregate of this op lacks or has too much, or None."""
    aggregate = AGGREGATES[op]
    if aggregate.needs_column and shape.column is None:
        return _Lack(f'{op} needs a "column"')
    if aggregate.parameter == "n" and shape.n is None:
        return _Lack(f'{op} needs "n", from 1 to 10,000')
    if aggregate.parameter == "q" and shape.q is None:
        return _Lack(f'{op} needs "q", above 0 and below 1')
    if aggregate.parameter == "n" and shape.n is not None and not 1 <= shape.n <= 10_000:
        return _Lack(f'"n" is from 1 to 10,000, not {shape.n:,}', "n", "FC104")
    if aggregate.parameter == "q" and shape.q is not None and not 0 < shape.q < 1:
        return _Lack(f'"q" is above 0 and below 1, not {shape.q:g}', "q", "FC104")
    if shape.where is not None and shape.name is None:
        return _Lack('an aggregate with "where" needs a "name"')
    if shape.name is not None and len(shape.op) > 1:
        return _Lack('a "name" goes with one op alone')
    if shape.aliases and len(shape.op) > 1:
        return _Lack('"aliases" go with one op alone', "aliases")
    for key in ("n", "q"):
        if getattr(shape, key) is not None and not any(_parameter(o) == key for o in shape.op):
            return _Lack(f'{op} takes no "{key}"', key)
    return None


def _parameter(op: str) -> str | None:
    return AGGREGATES[op].parameter if op in AGGREGATES else None


def _pieces_fit(shape: AggregateShape, columns: Mapping[str, str] | None, declared: Declarations) -> bool:
    """Check the column and the condition each by itself, so that carets stand in what was written."""
    scope = Scope(columns)
    places: dict[Part, ScalarNode | Place] = {}
    for key in ("column", "where"):
        if (node := shape.fields.scalar(key)) is not None:
            places[(key,)] = node
    if shape.column is not None:
        scope.column(("column",), shape.column)
    if shape.where is not None:
        scope.expression(("where",), shape.where, "bool")
        if not scope.issues:  # the form that is kept is longer and deeper, and the limits are for it
            Scope(None, scope.issues).expression(("where",), _text(shape))
    report_issues(declared.report, scope.issues, places, shape.fields.head)
    return not scope.issues


def _input(shape: AggregateShape, stored: Stored) -> str | None:
    """Keep what the aggregate reads; its own `where` makes the value null where it is not true."""
    place = shape.fields.scalar("column") or shape.fields.scalar("where") or shape.fields.head
    if shape.where is not None:
        return stored.keep(f"{shape.name}_value", _text(shape), place)
    return None if shape.column is None else stored.keep(shape.column, _text(shape), place)


def _text(shape: AggregateShape) -> str:
    """Return the expression of what an aggregate reads; `Scope.aggregated` types it."""
    value = "true" if shape.column is None else bare_column(shape.column).text
    return value if shape.where is None else f"case when ({shape.where}) then {value} end"
