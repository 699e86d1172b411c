"""What a repository declares, as it grows while files are resolved: objects, their places, problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

from featurectl.core.kinds import WORDS, DeclaredKind
from featurectl.core.nearest import nearest
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.tests import FeatureTest, ModelTest
from featurectl.language.definitions.view import FeatureView
from featurectl.language.problems.codes import Problem
from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import Fields, Items, ScalarNode
from featurectl.language.syntax.place import Place
from featurectl.language.typing.scope import Issue, Part

T = TypeVar("T")


@dataclass(slots=True)
class Declarations:
    """Objects by name, where names stand (`names` holds those of broken objects too), and what was found.

    A name that nothing has is not reported where it may be meant for what is in a file that could not be read
    (`unread`), or for a nameless object.
    """

    report: Report
    entities: dict[str, Entity] = field(default_factory=dict)
    keyed: dict[str, Entity] = field(default_factory=dict)  # the first entity that has a key of the name
    sources: dict[str, Source] = field(default_factory=dict)
    views: dict[str, FeatureView] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    notifiers: dict[str, Notifier] = field(default_factory=dict)
    tests: dict[str, FeatureTest | ModelTest] = field(default_factory=dict)
    names: dict[tuple[DeclaredKind, str], Place] = field(default_factory=dict)
    broken: set[tuple[DeclaredKind, str]] = field(default_factory=set)
    places: dict[tuple[str, ...], Place] = field(default_factory=dict)
    unread: bool = False
    nameless: set[DeclaredKind] = field(default_factory=set)
    wrong_keys: set[tuple[str, str]] = field(default_factory=set)  # entity and key that no source has: reported
    timeless: set[str] = field(default_factory=set)  # sources without the time that is needed: reported
    of_tests: list[Problem] = field(default_factory=list)  # those of the problems that are of feature tests
    data_roots: tuple[str, ...] | None = None  # of all environments; None: featurectl.yaml is wrong
    topic_places: tuple[str, ...] = ()  # `streams` of the environments that have it, unexpanded

    def find(self, objects: Mapping[str, T], kind: DeclaredKind, name: str, node: ScalarNode | None) -> T | None:
        """Return a declared object; None with FC201 when nothing has the name, silently when it is broken."""
        found = objects.get(name)
        if found is None and (kind, name) not in self.names:
            place = node.span.place if node else Place("featurectl.yaml")
            self.unknown(kind, name, place)
        return found

    def unknown(self, kind: DeclaredKind, name: str, place: Place) -> None:
        """Report a name that nothing of a kind has, with the nearest one; not of a text that can be no name."""
        if self.unread or kind in self.nameless or any(self.report.has(code, place) for code in ("FC105", "FC108")):
            return
        known = {n: p for (k, n), p in self.names.items() if k == kind}
        word = WORDS[kind].one
        near = nearest(name, known)
        suggestion = f'did you mean "{near}"?' if near else ""
        related = ((known[near], f'{word} "{near}" is declared here'),) if near else ()
        names = ", ".join(sorted(known)[:12]) if known else "there is none"
        self.report.add(
            Problem(
                code="FC201",
                message=f'no {word} "{name}"',
                place=place,
                suggestion=suggestion,
                notes=() if suggestion else (f"{WORDS[kind].several}: {names}",),
                related=related,
            )
        )

    def remember(self, kind: DeclaredKind, name: str, fields: Fields) -> None:
        """Keep where an object, its keys and the items of its lists stand."""
        self.places[(kind, name)] = fields.head
        for key, node in fields.nodes.items():
            self.places[(kind, name, key)] = fields.keys[key].place
            if isinstance(node, Fields):
                self._remember_fields((kind, name, key), node)
            elif isinstance(node, Items):
                self._remember_items((kind, name, key), node)

    def _remember_fields(self, prefix: tuple[str, ...], fields: Fields) -> None:
        self.places.update({(*prefix, k): span.place for k, span in fields.keys.items()})
        for key, node in fields.nodes.items():
            if isinstance(node, Fields):
                self._remember_fields((*prefix, key), node)

    def _remember_items(self, prefix: tuple[str, ...], items: Items) -> None:
        for item in items:
            if isinstance(item, ScalarNode):
                self.places.setdefault((*prefix, item.text), item.span.place)
            elif isinstance(item, Fields):
                self.places.setdefault((*prefix, item.text("name")), item.head)


def unsupported_part(what: str, place: Place, *notes: str) -> Problem:
    """Return the problem of a valid part of the language that this version does not run ("hop is")."""
    return Problem(code="FC402", message=f"{what} not in this version", place=place, notes=notes)


def report_issues(
    report: Report, issues: Iterable[Issue], places: Mapping[Part, ScalarNode | Place], otherwise: Place
) -> MutableMapping[Part, int]:
    """Report issues at the places of their parts, and return how many each part has.

    A part without a place of its own stands at the nearest shorter part that has one.
    """
    counts: dict[Part, int] = {}
    for issue in issues:
        counts[issue.part] = counts.get(issue.part, 0) + 1
        place = _place_of(issue, places, otherwise)
        near = issue.hint.startswith("did you mean")
        report.error(
            issue.code,
            issue.message,
            place,
            suggestion=issue.hint if near else "",
            note="" if near else issue.hint,
        )
    return counts


def _place_of(issue: Issue, places: Mapping[Part, ScalarNode | Place], otherwise: Place) -> Place:
    part = issue.part
    while part and part not in places:
        part = part[:-1]
    found = places.get(part, otherwise)
    if isinstance(found, Place):
        return found
    if issue.end and part == issue.part:
        return found.place_of(issue.start, issue.end)
    return found.span.place


def check_declared(kind: DeclaredKind, nodes: Iterable[ScalarNode], declared: Declarations) -> None:
    """Report names, or patterns of such, that no declared object of a kind has."""
    known = [name for k, name in declared.names if k == kind]
    for node in nodes:
        if not any(fnmatchcase(name, node.text) for name in known) and node.text != "*":
            declared.unknown(kind, node.text, node.span.place)
