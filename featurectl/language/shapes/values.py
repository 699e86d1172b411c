"""The types of values in shapes: how each is read from a node, and its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, NoReturn, TypeVar

from pydantic import BeforeValidator, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.core.dtypes import KEY_TYPES, SCALARS, parse_dtype
from featurectl.core.memory import parse_size
from featurectl.core.nearest import did_you_mean, did_you_mean_duration
from featurectl.core.units import missing_day, parse_duration, parse_instant
from featurectl.core.variables import bad_variable, has_password, has_variable, secret_parameter
from featurectl.language.problems.report import Report
from featurectl.language.shapes.rules import JsonSchema
from featurectl.language.syntax.node import Constant, Fields, Items, Node, ScalarNode, Span
from featurectl.language.syntax.place import Place

T = TypeVar("T")
NAME = re.compile(r"[a-z][a-z0-9_]*")
LIFETIME = "lifetime"
_TAKEN = re.compile(r"event_time|available_at|tie_order|tie_\d+|bucket|computed_at|asof")
_WANTED: dict[object, str] = {Fields: "a mapping", Items: "a list", ScalarNode: "a single value"}


def is_reserved(name: str) -> bool:
    """Return whether a name belongs to a column that the tables and rows of every view have.

    >>> is_reserved("bucket"), is_reserved("tie_0"), is_reserved("tie_count")
    (True, True, False)
    """
    return _TAKEN.fullmatch(name) is not None


def report_of(info: ValidationInfo) -> Report:
    """Return the report that a validation fills."""
    assert isinstance(info.context, Report)
    return info.context


def _place(node: object) -> Place:
    assert isinstance(node, ScalarNode | Items | Fields)
    return node.span.place


def fail(info: ValidationInfo, code: str, message: str, node: object, suggestion: str = "") -> NoReturn:
    """Report what is wrong with a node and end its validation."""
    report_of(info).error(code, message, _place(node), suggestion=suggestion)
    raise ValueError(code)


def expect(kind: type[T], node: object, info: ValidationInfo) -> T:
    """Return the node when it is of a kind; FC101 otherwise."""
    if isinstance(node, kind):
        return node
    fail(info, "FC101", f"expected {_WANTED[kind]}, found {describe(node)}", node)


def describe(node: object) -> str:
    """Return what a node is, for a message."""
    if isinstance(node, Fields):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    assert isinstance(node, ScalarNode)
    if node.empty:
        return "nothing"
    word = {bool: "", int: "the number ", float: "the number ", str: "the text "}.get(type(node.value), "")
    shown = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    return f'{word}"{shown}"' if isinstance(node.value, str) else f"{word}{shown}"


def _any_text(node: object, info: ValidationInfo) -> str:
    scalar = expect(ScalarNode, node, info)
    if scalar.empty:
        fail(info, "FC101", "expected a text, found nothing", node)
    return scalar.text


def read_text(node: object, info: ValidationInfo) -> str:
    """Return a text in which no environment variable may stand."""
    text = _any_text(node, info)
    if has_variable(text):
        fail(info, "FC108", f"an environment variable can't stand here: {text[text.index('${') :].split()[0]}", node)
    return text


def read_environment_text(node: object, info: ValidationInfo) -> str:
    """Return a text in which `${NAME}` may stand, unexpanded."""
    text = _any_text(node, info)
    if not text.strip():
        fail(info, "FC104", "an empty text can't stand here", node)
    if wrong := bad_variable(text):
        fail(info, "FC104", f"{wrong} is not ${{NAME}} or ${{NAME:-default}}", node)
    return text


def read_address(node: object, info: ValidationInfo) -> str:
    """Return the address of a server, in which `${NAME}` may stand, unexpanded, and no password."""
    text = read_environment_text(node, info)
    if name := secret_parameter(text):
        message = f'the value of "{name}" stands in the file, and may be a secret; write ${{NAME}} in its place'
        fail(info, "FC313", message, node)
    elif has_password(text):
        fail(info, "FC313", "a password stands in the file; write ${NAME} in its place", node)
    return text


class ColumnName(ScalarNode):
    """A scalar that names a column and, at once, the feature that is made of it."""


def read_name(node: object, info: ValidationInfo) -> str:
    """Return a name. One that is not allowed is reported and kept, so that the rest of its object is checked too."""
    text = read_text(node, info)
    assert isinstance(node, ScalarNode)
    _check_name(text, node.span, report_of(info), is_column=isinstance(node, ColumnName))
    return text


def _check_name(text: str, span: Span, report: Report, *, is_column: bool = False) -> None:
    if not NAME.fullmatch(text):
        near = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
        meant = f"{{name: {near}, expr: {text}}}" if is_column and text.isidentifier() else f'"{near}"'
        suggestion = f"did you mean {meant}?" if text.isascii() and NAME.fullmatch(near) else ""
        message = f'"{text}" is no name: lower-case letters, digits and _, a letter first'
        is_spelled = near != text and text.isidentifier() and not is_column
        note = (
            f"a column {text} of the data is named by `select: {{{near}: {text}}}` of its source" if is_spelled else ""
        )
        report.error("FC105", message, span.place, suggestion=suggestion, note=note)


def read_duration(node: object, info: ValidationInfo) -> int:
    """Return a duration in microseconds; what is none is reported, and 0, so that its object is checked further."""
    text = read_text(node, info)
    length_us = parse_duration(text)
    if length_us is None:
        message = f'"{text}" is no duration; durations are like 30s 15m 6h 7d 2w'
        report_of(info).error("FC106", message, _place(node), suggestion=did_you_mean_duration(text))
    return length_us or 0


def read_size(node: object, info: ValidationInfo) -> int:
    """Return a size in bytes; what is none is reported, and 0, so that its object is checked further."""
    text = read_text(node, info)
    size = parse_size(text) if text.strip()[-1:].isalpha() else None
    if size is None:
        message = f'"{text}" is no size; sizes are like 512MiB 1GiB 20GiB'
        report_of(info).error("FC104", message, _place(node))
    return size or 0


def read_window(node: object, info: ValidationInfo) -> int | None:
    """Return a window in microseconds; None is a lifetime, and what is no window and is reported."""
    text = read_text(node, info)
    length_us = parse_duration(text)
    if length_us is None and text != LIFETIME:
        message = f'"{text}" is no window; windows are like 30s 15m 6h 7d 2w, or lifetime'
        near = did_you_mean_duration(text) or did_you_mean(text, [LIFETIME])
        report_of(info).error("FC106", message, _place(node), suggestion=near)
    return length_us


def read_instant(node: object, info: ValidationInfo) -> str:
    """Return an instant's own text."""
    text = read_text(node, info)
    if parse_instant(text) is None:
        wrong = missing_day(text) or f'"{text}" is not an instant'
        fail(info, "FC104", f"{wrong}; write it like 2014-01-01T12:00:00Z", node)
    return text


def read_type(node: object, info: ValidationInfo) -> str:
    """Return the canonical text of a type."""
    text = read_text(node, info)
    dtype = parse_dtype(text)
    if dtype is None:
        known = (*SCALARS, "decimal(p,s)", "list(T)")
        fail(info, "FC104", f'no type "{text}"; types are {" ".join(known)}', node, _near_type(text))
    return dtype


def _near_type(text: str) -> str:
    other = {
        "int": "int64", "integer": "int64", "bigint": "int64", "float": "float64", "double": "float64",
        "str": "string", "text": "string", "varchar": "string", "boolean": "bool", "datetime": "timestamp",
    }.get(text.lower())  # fmt: skip
    return f'did you mean "{other}"?' if other else did_you_mean(text, SCALARS)


def read_bool(node: object, info: ValidationInfo) -> bool:
    """Return true or false."""
    scalar = expect(ScalarNode, node, info)
    if not isinstance(scalar.value, bool):
        fail(info, "FC101", f"expected true or false, found {describe(node)}", node)
    return scalar.value


def read_int(node: object, info: ValidationInfo) -> int:
    """Return a whole number."""
    scalar = expect(ScalarNode, node, info)
    if isinstance(scalar.value, bool) or not isinstance(scalar.value, int):
        fail(info, "FC101", f"expected a whole number, found {describe(node)}", node)
    return scalar.value


def read_number(node: object, info: ValidationInfo) -> float:
    """Return a number."""
    scalar = expect(ScalarNode, node, info)
    if isinstance(scalar.value, bool) or not isinstance(scalar.value, int | float):
        fail(info, "FC101", f"expected a number, found {describe(node)}", node)
    return float(scalar.value)


def read_constant(node: object, info: ValidationInfo) -> Constant:
    """Return a constant: a number, a text, true, false or null."""
    return expect(ScalarNode, node, info).value


def plain_data(node: Node) -> object:
    """Return a node as plain data: scalars by value, lists and dicts."""
    if isinstance(node, Fields):
        return {key: plain_data(value) for key, value in node.nodes.items()}
    if isinstance(node, Items):
        return [plain_data(item) for item in node]
    return node.value


def read_plain(node: object, info: ValidationInfo) -> dict[str, object]:
    """Return a mapping as plain data."""
    return {key: plain_data(value) for key, value in expect(Fields, node, info).nodes.items()}


def read_items(node: object, info: ValidationInfo) -> tuple[Node, ...]:
    """Return the nodes of a list."""
    return expect(Items, node, info).nodes


def read_some(node: object, info: ValidationInfo) -> tuple[Node, ...]:
    """Return the nodes of a list that is not empty."""
    nodes = read_items(node, info)
    if not nodes:
        fail(info, "FC104", "expected at least one item, found an empty list", node)
    return nodes


def read_one_or_more(node: object, info: ValidationInfo) -> tuple[Node, ...]:
    """Return the nodes of a list that is not empty; one value alone is a list of one."""
    return read_some(node, info) if not isinstance(node, ScalarNode) else (node,)


def read_mapping(node: object, info: ValidationInfo) -> dict[str, Node]:
    """Return the nodes of a mapping that is not empty, by key."""
    nodes = expect(Fields, node, info).nodes
    if not nodes:
        fail(info, "FC104", "expected at least one key, found an empty mapping", node)
    return nodes


def read_named_mapping(node: object, info: ValidationInfo) -> dict[str, Node]:
    """Return the nodes of a mapping whose keys are names."""
    nodes = read_mapping(node, info)
    fields = expect(Fields, node, info)
    for key, span in fields.keys.items():
        _check_name(key, span, report_of(info))
    return nodes


def one_of(*words: str, others: Mapping[str, str] = MappingProxyType({})) -> Callable[[object, ValidationInfo], str]:
    """Return a reader of one of the words; `others` are words for them that other tools have."""

    def read(node: object, info: ValidationInfo) -> str:
        text = read_text(node, info)
        if text not in words:
            message = f'"{text}" is none of: {", ".join(words)}'
            other = others.get(text.lower())
            fail(info, "FC104", message, node, f'did you mean "{other}"?' if other else did_you_mean(text, words))
        return text

    return read


_NO_VARIABLE = r"^([^$]|\$(?!\{))*$"
VARIABLES = r"^(?=\s*\S)([^$]|\$(?!\{)|\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\})*$"
NAME_SCHEMA: JsonSchema = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]*$",
    "patternErrorMessage": "a name is lower-case letters, digits and _, a letter first",
}
DURATION_PATTERN = "[1-9][0-9]{0,8}[smhdw]"
_PLAIN_TYPES = rf"{'|'.join(SCALARS)}|decimal\(\s*(0?[1-9]|[12][0-9]|3[0-8])\s*,\s*[0-9]{{1,2}}\s*\)"


def text_schema(
    pattern: str = _NO_VARIABLE, message: str = "an environment variable can't stand here", *, words: bool = False
) -> JsonSchema:
    """Return the JSON Schema of a text. A number is the text that is written, and so are true and false.

    Editors offer those two wherever a schema allows them, so it does with `words` alone: where somebody means them.
    """
    types = ["string", "number", "boolean"] if words else ["string", "number"]
    return {"type": types, "pattern": pattern, "patternErrorMessage": message}


def words_schema(*words: str) -> JsonSchema:
    """Return the JSON Schema of one of the words."""
    return {"enum": list(words)}


def duration_schema(*others: str, examples: Sequence[str] = ("15m", "1h", "1d")) -> JsonSchema:
    """Return the JSON Schema of a duration, or of one of the other words."""
    message = " or ".join(("a whole number and one of s m h d w, like 30s 15m 6h 7d 2w", *others))
    pattern = f"^({'|'.join((DURATION_PATTERN, *others))})$"
    return {"type": "string", "pattern": pattern, "patternErrorMessage": message, "examples": list(examples)}


def type_schema(names: Sequence[str] = SCALARS, *, made: bool = True) -> JsonSchema:
    """Return the JSON Schema of a type: one of the names or, with `made`, a decimal or a list."""
    pattern = rf"^\s*({_PLAIN_TYPES}|list\(\s*({_PLAIN_TYPES})\s*\))\s*$"
    named: JsonSchema = {"enum": list(names)}
    return {"anyOf": [named, {"type": "string", "pattern": pattern}]} if made else named


Text = Annotated[str, PlainValidator(read_text), WithJsonSchema(text_schema())]
AnyText = Annotated[str, PlainValidator(read_text), WithJsonSchema(text_schema(words=True))]
EnvironmentText = Annotated[
    str,
    PlainValidator(read_environment_text),
    WithJsonSchema(text_schema(VARIABLES, "a text that is not empty; variables are ${NAME} or ${NAME:-default}")),
]
Address = Annotated[
    str,
    PlainValidator(read_address),
    WithJsonSchema(text_schema(VARIABLES, "a text that is not empty; variables are ${NAME} or ${NAME:-default}")),
]
Name = Annotated[str, PlainValidator(read_name), WithJsonSchema(NAME_SCHEMA)]
Duration = Annotated[int, PlainValidator(read_duration), WithJsonSchema(duration_schema())]
Size = Annotated[
    int,
    PlainValidator(read_size),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([KMGTkmgt](i?[Bb])?|[Bb])\s*$",
            "patternErrorMessage": "a number and a unit, like 512MiB or 1GiB",
            "examples": ["1GiB", "20GiB"],
        }
    ),
]
Window = Annotated[
    int | None,
    PlainValidator(read_window),
    WithJsonSchema(duration_schema(LIFETIME, examples=("1h", "1d", "7d", LIFETIME))),
]
Instant = Annotated[
    str,
    PlainValidator(read_instant),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[0-9]{4}", "examples": ["2014-01-01T12:00:00Z"]}),
]
Dtype = Annotated[str, PlainValidator(read_type), WithJsonSchema(type_schema())]
KeyType = Annotated[str, PlainValidator(read_type), WithJsonSchema(type_schema(KEY_TYPES, made=False))]
Flag = Annotated[bool, PlainValidator(read_bool), WithJsonSchema({"type": "boolean"})]
Whole = Annotated[int, PlainValidator(read_int), WithJsonSchema({"type": "integer"})]
Number = Annotated[float, PlainValidator(read_number), WithJsonSchema({"type": "number"})]
AnyConstant = Annotated[
    Constant, PlainValidator(read_constant), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
PlainData = Annotated[dict[str, object], PlainValidator(read_plain), WithJsonSchema({"type": "object"})]


class _ItemOrList:
    """In JSON Schema, a list or one of its items alone."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        full = handler(core_schema)
        return {"anyOf": [full["items"], full]}


class _NotEmpty:
    """In JSON Schema, a list or mapping with something in it."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(core_schema)
        return made | {"minItems" if made.get("type") == "array" else "minProperties": 1}


class _NamedKeys:
    """In JSON Schema, a mapping whose keys are names."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema) | {"propertyNames": {"pattern": NAME_SCHEMA["pattern"]}}


Listed = Annotated[tuple[T, ...], BeforeValidator(read_items)]
Some = Annotated[tuple[T, ...], BeforeValidator(read_some), _NotEmpty()]
Mapped = Annotated[dict[str, T], BeforeValidator(read_mapping), _NotEmpty()]
NamedMapped = Annotated[dict[str, T], BeforeValidator(read_named_mapping), _NotEmpty(), _NamedKeys()]
OneOrMore = Annotated[tuple[T, ...], BeforeValidator(read_one_or_more), _NotEmpty(), _ItemOrList()]
