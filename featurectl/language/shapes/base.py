"""The base of all shapes: objects as they are written.

pydantic says which keys an object has and walks it; every value arrives as a node of `language.syntax.node`, and
everything that is wrong goes to the `Report` in the validation's context, with the node's own place. A
`ValidationError` then only says that the object could not be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.core.nearest import did_you_mean
from featurectl.language.problems.report import Report
from featurectl.language.shapes.rules import JsonSchema, KeyRule, together
from featurectl.language.shapes.values import (
    expect,
    report_of,
)
from featurectl.language.syntax.node import Fields, Items, ScalarNode


class ObjectShape(BaseModel):
    """An object as it is written; `fields` is the mapping it was read from."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=False)

    what: ClassVar[str] = "object"
    rules: ClassVar[tuple[KeyRule, ...]] = ()
    other_words: ClassVar[Mapping[str, str]] = {}  # keys that other tools, or other objects, have, and what is meant
    later_rules: ClassVar[tuple[KeyRule, ...]] = ()  # for editors; reading reports them later, with codes of their own
    _fields: Fields = PrivateAttr()

    @property
    def fields(self) -> Fields:
        """The mapping that the object was read from."""
        private = self.__pydantic_private__  # `self._fields` is the same, by a search that takes many times as long
        assert private is not None
        fields: Fields = private["_fields"]
        return fields

    @classmethod
    def read_fields(cls, node: object) -> object:
        """Return the mapping to read; shapes with a short form make one of it."""
        return node

    def bind(self, fields: Fields) -> None:
        """Remember the mapping that the object was read from."""
        self._fields = fields

    @model_validator(mode="wrap")
    @classmethod
    def _from_fields(cls, node: object, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        fields = expect(Fields, cls.read_fields(node), info)
        known = cls.known_keys()
        unknown = [key for key in fields.nodes if key not in known]
        meant = {key: _report_unknown_key(cls, fields, key, report_of(info)) for key in unknown}
        for key, required in known.items():
            if required and key not in fields.nodes and key not in meant.values():
                report_of(info).error("FC103", f'no "{key}" in {cls.called(fields)}', fields.head)
        fields = _as_meant(cls, fields, meant)
        made = handler({key: value for key, value in fields.nodes.items() if key in known})
        made.bind(fields)
        made.check_keys(report_of(info))
        return made

    @classmethod
    @cache
    def known_keys(cls) -> dict[str, bool]:
        """Return the keys of the object in the order of the language's table, and whether each is required."""
        return {info.alias or name: info.is_required() for name, info in cls.model_fields.items()}

    @classmethod
    def called(cls, fields: Fields) -> str:
        """Return what to call the object in a message: its kind, and its name where it has one."""
        name = fields.text("name") or fields.text("column")
        return f'{cls.what} "{name}"' if name else f"this {cls.what}"

    def check_keys(self, report: Report) -> None:
        """Report keys that exclude or need each other, and values that are wrong together."""
        for rule in self.rules:
            rule.check(self.fields, self.called(self.fields), report)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of pydantic with the rules between keys, and the object's name as its title."""
        reference = handler(core_schema)
        made = handler.resolve_ref_schema(reference)
        made.update(title=cls.what, **cls.json_rules())
        return reference

    @classmethod
    def json_rules(cls) -> JsonSchema:
        """Return the rules between the object's keys as JSON Schema."""
        return together((*cls.rules, *cls.later_rules))


def _report_unknown_key(cls: type[ObjectShape], fields: Fields, key: str, report: Report) -> str:
    """Report an unknown key, and return the key that was probably meant: it is not reported as missing too."""
    known = [k for k in cls.known_keys() if k not in fields.nodes] or list(cls.known_keys())
    suggestion = f'did you mean "{word}"?' if (word := cls.other_words.get(key)) in known else did_you_mean(key, known)
    report.error(
        "FC102",
        f'unknown key "{key}" in {cls.called(fields)}',
        fields.keys[key].place,
        suggestion=suggestion,
        note=f"keys: {', '.join(cls.known_keys())}",
    )
    return next((k for k in known if f'"{k}"' in suggestion), "")


def _as_meant(cls: type[ObjectShape], fields: Fields, meant: Mapping[str, str]) -> Fields:
    """Return the mapping with unknown keys, which are reported, as those that were probably meant.

    So nothing is reported that only follows from what they would say; as it is where it can't be read that way.
    """
    names = {key: name for key, name in meant.items() if name not in ("", "name")}  # by its name others know it
    if not names or len({*fields.nodes, *names.values()}) < len(fields.nodes) + len(names):
        return fields
    nodes = {names.get(key, key): node for key, node in fields.nodes.items() if key not in meant or key in names}
    keys = {names.get(key, key): span for key, span in fields.keys.items() if key not in meant or key in names}
    read = Fields(nodes, keys, fields.span)
    try:
        cls.model_validate(read, context=Report())
    except ValidationError:
        return fields
    return read


def listed_names(fields: Fields, key: str) -> list[ScalarNode]:
    """Return the scalars of a list, for problems that are about one of them."""
    node = fields.get(key)
    return [item for item in node if isinstance(item, ScalarNode)] if isinstance(node, Items) else []


def scalars(fields: Fields, key: str) -> list[ScalarNode]:
    """Return the scalar of a key, or nothing."""
    node = fields.scalar(key)
    return [] if node is None else [node]
