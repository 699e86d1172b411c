"""Rules between the keys of one object: checked when a file is read, and given to editors in JSON Schema.

A shape lists its rules once. `check` reports what breaks them; `json_schema` says the same in the words of JSON
Schema (draft 7, which editors know best).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import Fields

JsonSchema = dict[str, object]


class KeyRule(Protocol):
    """Something that must hold between the keys of an object."""

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report where it does not hold; `label` is what to call the object."""

    def json_schema(self) -> JsonSchema:
        """Return the schema that an object fails where it does not hold."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Exactly one of the keys is there."""

    keys: tuple[str, ...]

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC107 for none at the object, for two at the second."""
        found = [key for key in self.keys if key in fields.nodes]
        if not found:
            report.error("FC107", f"{label} needs one of: {', '.join(self.keys)}", fields.head)
        elif len(found) > 1:
            _report_pair(found[0], found[1], fields, (label, report))

    def json_schema(self) -> JsonSchema:
        """Return that one of the keys is required, and that each forbids the others, at their own place."""
        forbidden = {key: _without(other for other in self.keys if other != key) for key in self.keys}
        return {"anyOf": [{"required": [key]} for key in self.keys], "dependencies": forbidden}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the keys is there."""

    keys: tuple[str, ...]

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC107 for none, at the object."""
        if not any(key in fields.nodes for key in self.keys):
            report.error("FC107", f"{label} needs one of: {', '.join(self.keys)}", fields.head)

    def json_schema(self) -> JsonSchema:
        """Return that one of the keys is required."""
        return {"anyOf": [{"required": [key]} for key in self.keys]}


@dataclass(frozen=True, slots=True)
class Apart:
    """Two keys are not there together; `reason` says why, where their names don't."""

    first: str
    second: str
    reason: str = ""

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC107 at the second key."""
        if self.first in fields.nodes and self.second in fields.nodes:
            _report_pair(self.first, self.second, fields, (label, report), self.reason)

    def json_schema(self) -> JsonSchema:
        """Return that the first key forbids the second."""
        return {"dependencies": {self.first: _without([self.second])}}


@dataclass(frozen=True, slots=True)
class GoesWith:
    """Keys that are there beside their owner alone."""

    keys: tuple[str, ...]
    owner: str

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC107 at each of the keys when the owner is missing."""
        if self.owner in fields.nodes:
            return
        for key in self.keys:
            if key in fields.nodes:
                message = f'"{key}" goes with "{self.owner}", which {label} does not have'
                report.error("FC107", message, fields.keys[key].place)

    def json_schema(self) -> JsonSchema:
        """Return that each of the keys requires the owner."""
        return {"dependencies": {key: [self.owner] for key in self.keys}}


@dataclass(frozen=True, slots=True)
class Needs:
    """A key that needs others beside it."""

    owner: str
    keys: tuple[str, ...]

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC103 at the object for each key that the owner lacks."""
        if self.owner not in fields.nodes:
            return
        for key in self.keys:
            if key not in fields.nodes:
                report.error("FC103", f'no "{key}" in {label}: "{self.owner}" needs it', fields.head)

    def json_schema(self) -> JsonSchema:
        """Return that the owner requires the keys."""
        return {"dependencies": {self.owner: list(self.keys)}}


@dataclass(frozen=True, slots=True)
class When:
    """One set of rules where a key is there, and another where it is not."""

    key: str
    then: tuple[KeyRule, ...]
    otherwise: tuple[KeyRule, ...]

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Check the rules of the case."""
        for rule in self.then if self.key in fields.nodes else self.otherwise:
            rule.check(fields, label, report)

    def json_schema(self) -> JsonSchema:
        """Return both cases."""
        condition: JsonSchema = {"required": [self.key]}
        return {"if": condition, "then": together(self.then), "else": together(self.otherwise)}


def together(rules: Iterable[KeyRule]) -> JsonSchema:
    """Return the schema in which all rules hold.

    >>> together([GoesWith(("topic",), "kafka")])
    {'dependencies': {'topic': ['kafka']}}
    """
    schemas = [rule.json_schema() for rule in rules]
    return schemas[0] if len(schemas) == 1 else {"allOf": schemas} if schemas else {}


def _without(keys: Iterable[str]) -> JsonSchema:
    return {"properties": dict.fromkeys(keys, False)}


def _report_pair(first: str, second: str, fields: Fields, to: tuple[str, Report], reason: str = "") -> None:
    label, report = to
    message = f'"{second}" excludes "{first}" in {label}' + (f": {reason}" if reason else "")
    place = fields.keys[second].place
    report.clash("FC107", message, place, (fields.keys[first].place, f'"{first}" stands here'))
