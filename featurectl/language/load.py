"""A folder of YAML -> a `Repo`: its objects, and everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import ValidationError

from featurectl.core.kinds import KIND_OF_SECTION, WORDS, DeclaredKind
from featurectl.core.nearest import did_you_mean
from featurectl.language.problems.codes import Problem
from featurectl.language.problems.report import MOST_PROBLEMS, Report, TooManyProblemsError
from featurectl.language.project_file import PROJECT_FILE, environments_of, read_file, read_project
from featurectl.language.repo import Repo
from featurectl.language.repository_files import (
    FOREIGN,
    files_line,
    find_files,
    has_foreign_key,
    matches,
    patterns_of,
    read_if_own,
)
from featurectl.language.resolve.alerts import check_alert_names, resolve_alert, resolve_notifier
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.resolve.entity import resolve_entity
from featurectl.language.resolve.entity_keys import check_entity_keys
from featurectl.language.resolve.history import resolve_history
from featurectl.language.resolve.model import check_model_names, resolve_model
from featurectl.language.resolve.pipelines import resolve_deployment, resolve_pipeline
from featurectl.language.resolve.source import SchemaReader, resolve_source
from featurectl.language.resolve.sources_of_windows import check_timeless
from featurectl.language.resolve.tests import resolve_test
from featurectl.language.resolve.view import check_view_names, resolve_view
from featurectl.language.shapes.alerts import AlertShape, NotifierShape
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.entity import EntityShape
from featurectl.language.shapes.objects import LISTS
from featurectl.language.shapes.pipelines import DeploymentShape, PipelineShape
from featurectl.language.shapes.project import ProjectShape, is_pattern
from featurectl.language.shapes.remainder import shape_of_remainder
from featurectl.language.shapes.source import SourceShape
from featurectl.language.shapes.training import ModelShape
from featurectl.language.shapes.values import describe
from featurectl.language.shapes.view import FeatureTestShape, FeatureViewShape
from featurectl.language.syntax.node import Fields, Items, Node, ScalarNode
from featurectl.language.syntax.place import Place

NOTHING_DECLARED: Final = "FC203"
USELESS_PATTERN: Final = "FC363"
_MOST_NAMED: Final = 5  # files without a key of ours
_FILES_NOTE: Final = "`files:` in featurectl.yaml can list the files that are read"
# Kinds of which what is right is checked although other parts are wrong, and the keys without which nothing is.
_NEEDED: Final[Mapping[DeclaredKind, Sequence[str]]] = {
    "feature_view": ("", "entity", "source"),
    "model": ("", "spine"),
    "source": ("", "columns", "select", "event_time", "available_at", "delay"),
}
S = TypeVar("S", bound=ObjectShape)
T = TypeVar("T")


@dataclass(slots=True)
class _Files:
    """What the files hold: shapes by list, in order, and the project's own file.

    `wrong` are the objects of which no shape could be made, as they are written.
    """

    paths: list[str] = field(default_factory=list)
    project: ProjectShape | None = None
    shapes: dict[str, list[ObjectShape]] = field(default_factory=lambda: {name: [] for name in LISTS})
    wrong: list[tuple[DeclaredKind, Fields]] = field(default_factory=list)


def load_repo(root: Path, schemas: SchemaReader | None) -> Repo:
    """Return what the files below `root` mean; what is wrong with them is in `Repo.problems`.

    `schemas` is asked about each source with a path or a query: it gives the columns that its files have (None: not
    known), and raises `DataError` for a problem at the source's path. Without it no data is looked at.
    """
    declared, files = Declarations(Report()), _Files()
    try:
        _load(root, files, declared, schemas)
    except TooManyProblemsError:
        message = f"there are more than {MOST_PROBLEMS:,} problems: what else there is was not checked"
        declared.report.problems.append(Problem(code="FC006", message=message, place=Place(PROJECT_FILE)))
        declared.tests = {}
    return _repo(files, declared)


def _load(root: Path, files: _Files, declared: Declarations, schemas: SchemaReader | None) -> None:
    """Fill in what the files hold and declare."""
    _read_files(root, files, declared)
    if files.project and not any(problem.place.path == PROJECT_FILE for problem in declared.report.problems):
        environments = files.project.environments.values()
        declared.data_roots = tuple(folder for shape in environments for folder in shape.data_roots)
        declared.topic_places = tuple(shape.streams for shape in environments if shape.streams)
    resolve = _Resolver(declared)
    resolve.all(_of(files, EntityShape), declared.entities, "entity", lambda s: resolve_entity(s, declared))
    sources = _of(files, SourceShape)
    resolve.all(sources, declared.sources, "source", lambda s: resolve_source(s, declared, schemas, root))
    for source in sources:
        resolve_history(source, declared)
    views = _of(files, FeatureViewShape)
    check_entity_keys(views, declared)
    check_timeless(views, declared)
    resolve.all(views, declared.views, "feature_view", lambda s: resolve_view(s, declared, root))
    resolve.all(_of(files, ModelShape), declared.models, "model", lambda s: resolve_model(s, declared))
    with _problems_of_tests(declared):
        resolve.all(_of(files, FeatureTestShape), declared.tests, "test", lambda s: resolve_test(s, declared))
    _resolve_operations(files, resolve)
    if not any(files.shapes.values()) and all(item.severity != "error" for item in declared.report.problems):
        message = "nothing is declared: no entity, source, feature view or model in any file"
        declared.report.error(NOTHING_DECLARED, message, Place(PROJECT_FILE))


@contextmanager
def _problems_of_tests(declared: Declarations) -> Iterator[None]:
    """Note the problems that are found meanwhile as those of feature tests."""
    found = len(declared.report.problems)
    yield
    declared.of_tests += declared.report.problems[found:]


def _repo(files: _Files, declared: Declarations) -> Repo:
    return Repo(
        project=files.project.project if files.project else "",
        environments=environments_of(files.project),
        entities=declared.entities,
        sources=declared.sources,
        views=declared.views,
        models=declared.models,
        tests=declared.tests,
        pipelines=declared.pipelines,
        deployments=declared.deployments,
        alerts=declared.alerts,
        notifiers=declared.notifiers,
        problems=tuple(sorted(dict.fromkeys(declared.report.problems), key=lambda p: p.sort_key())),
        test_problems=frozenset(declared.of_tests),
        places=declared.places,
        files=tuple(files.paths),
    )


def _read_files(root: Path, files: _Files, declared: Declarations) -> None:
    """Read featurectl.yaml and the files that belong to the repository; note which ones have no key of ours."""
    patterns: Sequence[str] = ()
    if (root / PROJECT_FILE).is_file() or (root / PROJECT_FILE).is_symlink():
        files.paths.append(PROJECT_FILE)
        files.project, patterns = read_project(root, declared.report)
    else:
        declared.report.error("FC203", f"no {PROJECT_FILE} in {root}", Place(PROJECT_FILE))
    found = find_files(root, patterns)
    skipped, doubtful = [], {}
    for path in found.files:
        at = len(declared.report.problems)
        belongs = _read_file_of(root, path, files, declared, by_content=not patterns)
        if belongs == "no":
            skipped.append(path)
        elif belongs == "perhaps" and len(declared.report.problems) > at and not patterns:
            doubtful[path] = at
    own = [path for path in files.paths if path != PROJECT_FILE and path not in doubtful]
    line = files_line(patterns_of(own, [*skipped, *doubtful, *found.tool_folders]))
    for at in doubtful.values():
        note = f"if the file belongs to another tool, `{line}` in {PROJECT_FILE} leaves it out"
        problem = declared.report.problems[at]
        declared.report.problems[at] = replace(problem, notes=(*problem.notes, note))
    if skipped:
        declared.report.note("FC362", _skipped_text(skipped), Place(PROJECT_FILE), note=_FILES_NOTE)
    for pattern in patterns:
        if is_pattern(pattern) and pattern != PROJECT_FILE and not any(matches(pattern, path) for path in found.files):
            note = f'"{pattern}/**" matches all files in that folder' if (root / pattern).is_dir() else ""
            message = f'"{pattern}" in files: matches no YAML file'
            declared.report.warning(USELESS_PATTERN, message, Place(PROJECT_FILE), note=note)


def _skipped_text(paths: Sequence[str]) -> str:
    """Return what is said of files without a key of ours.

    >>> _skipped_text(["dvc.yaml"])
    '1 YAML file has no key of featurectl and is not read: dvc.yaml'
    """
    subject = "1 YAML file has" if len(paths) == 1 else f"{len(paths):,} YAML files have"
    verb = "is" if len(paths) == 1 else "are"
    more = f" and {len(paths) - _MOST_NAMED:,} more" if len(paths) > _MOST_NAMED else ""
    return f"{subject} no key of featurectl and {verb} not read: {', '.join(paths[:_MOST_NAMED])}{more}"


def _read_file_of(
    root: Path, path: str, files: _Files, declared: Declarations, *, by_content: bool
) -> Literal["yes", "perhaps", "no"]:
    """Read a file, and return whether it belongs to the repository.

    "no": by its content it does not, and nothing was read or reported. "perhaps": something is wrong with all of it.
    """
    before = len(declared.report.problems)
    text, node = (read_if_own if by_content else read_file)(root, path, declared.report)
    if node == FOREIGN:
        return "no"
    files.paths.append(path)
    if node is None:
        declared.unread |= len(declared.report.problems) > before
        return "perhaps" if text is None or has_foreign_key(text) else "yes"
    if not isinstance(node, Fields):
        declared.unread = True
        message = f"a file is a mapping of lists: {', '.join(LISTS)}"
        declared.report.error("FC101", message, node.span.place)
        return "perhaps"
    found = len(declared.report.problems)
    _read_lists(node, files, declared)
    objects = sum(len(items.nodes) for items in node.nodes.values() if isinstance(items, Items))
    incomplete = sum(problem.code == "FC103" for problem in declared.report.problems[found:])
    is_of_lists = all(key in LISTS or did_you_mean(key, LISTS) for key in node.nodes)
    return "perhaps" if not is_of_lists or incomplete >= objects else "yes"


def _read_lists(node: Fields, files: _Files, declared: Declarations) -> None:
    for key, items in node.nodes.items():
        if key not in LISTS:
            note = f"keys: {', '.join(LISTS)}"
            if key in ("project", "environments"):
                note = f"{key} stands in the {PROJECT_FILE} at the top of the repository alone"
            place = node.keys[key].place
            if place.path.endswith(f"/{PROJECT_FILE}"):
                note = "a repository can't hold another one: move that folder out of it, or below data/"
            suggestion = did_you_mean(key, LISTS)
            declared.unread |= key not in ("project", "environments")  # objects may stand below it
            declared.report.error("FC102", f'unknown key "{key}" in a file', place, suggestion=suggestion, note=note)
        elif not isinstance(items, Items):
            declared.unread |= not (isinstance(items, ScalarNode) and items.empty)
            message = f"expected a list of {key}, found {describe(items)}"
            declared.report.error("FC101", message, node.place(key))
        else:
            with _problems_of_tests(declared) if KIND_OF_SECTION[key] == "test" else nullcontext():
                for item in items:
                    _read_object(key, item, files, declared)


def _read_object(key: str, item: Node, files: _Files, declared: Declarations) -> None:
    kind, name = KIND_OF_SECTION[key], item.text("name") if isinstance(item, Fields) else ""
    if name and isinstance(item, Fields):
        first = declared.names.get((kind, name))
        if first is not None:
            message = f'two {WORDS[kind].several} are named "{name}"'
            declared.report.clash("FC202", message, item.head, (first, "the other one stands here"))
            return
        declared.names[(kind, name)] = item.head
        declared.remember(kind, name, item)
    if not name:  # it may be the one that others name
        declared.nameless.add(kind)
    found = len(declared.report.problems)
    shape = _shape(LISTS[key], item, declared.report, _NEEDED.get(kind))
    if shape is not None:
        files.shapes[key].append(shape)
        if name and shape.fields is not item:
            declared.remember(kind, name, shape.fields)
    elif isinstance(item, Fields):
        files.wrong.append((kind, item))
    if len(declared.report.problems) > found:
        declared.broken.add((kind, name))


def _shape(shape: type[S], node: Node, report: Report, needed: Sequence[str] | None = None) -> S | None:
    """Return the object of a node, or None when it can't be made; every reason is in the report.

    With `needed` it is that of what is right in the node, unless something is wrong at one of these keys.
    """
    try:
        return shape.model_validate(node, context=report)
    except ValidationError as error:
        assert report.problems
        return None if needed is None else shape_of_remainder(shape, node, error, needed)


def _of(files: _Files, kind: type[S]) -> list[S]:
    name = next(name for name, shape in LISTS.items() if shape is kind)
    return [shape for shape in files.shapes[name] if isinstance(shape, kind)]


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Resolves the shapes of one kind after the other."""

    declared: Declarations

    def all(self, shapes: list[S], into: dict[str, T], kind: DeclaredKind, resolve: Callable[[S], T | None]) -> None:
        """Put what the shapes of a kind mean into a mapping by name; an object with an error is broken."""
        for shape in shapes:
            name = shape.fields.text("name")
            before = self.declared.report.errors
            made = resolve(shape)
            if made is not None:
                into[name] = made
            if made is None or self.declared.report.errors > before:
                self.declared.broken.add((kind, name))


# Of objects of which no shape could be made, the names of others are looked up all the same.
_CHECK_NAMES: Final[Mapping[DeclaredKind, Callable[[Fields, Declarations], None]]] = {
    "feature_view": check_view_names,
    "model": check_model_names,
    "alert": check_alert_names,
}


def _resolve_operations(files: _Files, resolve: _Resolver) -> None:
    declared = resolve.declared
    pipelines, deployments = _of(files, PipelineShape), _of(files, DeploymentShape)
    resolve.all(pipelines, declared.pipelines, "pipeline", lambda s: resolve_pipeline(s, declared))
    resolve.all(deployments, declared.deployments, "deployment", lambda s: resolve_deployment(s, declared))
    resolve.all(_of(files, AlertShape), declared.alerts, "alert", lambda s: resolve_alert(s, declared))
    for kind, fields in files.wrong:
        if kind in _CHECK_NAMES:
            _CHECK_NAMES[kind](fields, declared)
    resolve.all(_of(files, NotifierShape), declared.notifiers, "notifier", lambda s: resolve_notifier(s, declared))
