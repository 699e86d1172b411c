"""Which YAML files below a repository's root belong to it.

`files:` of featurectl.yaml lists patterns and decides alone. Without it every YAML file is read, but not those in
hidden folders, in `data/` and `deploy/`, and in folders that belong to another tool; a file that has no key of ours
is another tool's, and is skipped. What git ignores makes no difference: a laptop and a container read the same files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Literal

from featurectl.core.kinds import WORDS
from featurectl.core.nearest import nearest
from featurectl.language.problems.report import Report, TooManyProblemsError
from featurectl.language.project_file import PROJECT_FILE, read_file, read_project
from featurectl.language.shapes.objects import LISTS
from featurectl.language.syntax.node import Fields, Items, Node, ScalarNode

DATA_FOLDER: Final = "data"
RENDERED_FOLDER: Final = "deploy"  # what `pipeline render` and `deployment render` write is YAML, too
LEFT_OUT: Final = (DATA_FOLDER, RENDERED_FOLDER)
DEFAULT_PATTERNS: Final = ("features.yaml", "features/**")  # suggested while a repository has no file of its own yet

_TOOL_FOLDERS: Final = frozenset({"mlruns", "node_modules", "site-packages"})
_TOOL_FILES: Final = frozenset({"dbt_project.yml", "Chart.yaml", "pyvenv.cfg"})  # make their folder a tool's
_ANY: Final = "**"
_SIMILAR: Final = 0.8  # of two words: "soruces" is meant as "sources", "services" is not
_KEY: Final = re.compile(r"^[\"']?([A-Za-z_][\w-]*)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE)
_MEANT: Final = {
    word.replace(" ", "_"): words.section
    for words in WORDS.values()
    for word in (words.section, words.one, words.short, words.short_several)
    if word
}

FOREIGN: Final = "foreign"
Pattern = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """The YAML files of a repository, and the folders of other tools: paths relative to the root, in order."""

    files: tuple[str, ...]
    tool_folders: tuple[str, ...] = ()


def find_files(root: Path, patterns: Sequence[str] = ()) -> FoundFiles:
    """Return the YAML files that a repository is read from, without featurectl.yaml; `patterns` are its `files:`.

    Links to folders are not followed; a folder that can't be listed has no files.
    """
    files: list[str] = []
    tool_folders: list[str] = []
    waiting = [("", frozenset(tuple(pattern.split("/")) for pattern in patterns))]
    while waiting:
        folder, left = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        if not patterns and folder and any(entry.name in _TOOL_FILES for entry in found):
            tool_folders.append(folder)
            continue
        inner = []
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            rest = _after(left, entry.name)
            if not _is_folder(entry):
                wanted = _is_whole(rest) if patterns else not entry.name.startswith(".")
                if wanted and path != PROJECT_FILE and entry.name.endswith((".yaml", ".yml")):
                    files.append(path)
            elif entry.is_symlink():
                continue
            elif patterns:
                inner += [(path, rest)] if rest else []
            elif entry.name in _TOOL_FOLDERS:
                tool_folders.append(path)
            elif not _is_left_out(entry.name, at_root=not folder):
                inner.append((path, rest))
        waiting += reversed(inner)
    return FoundFiles(files=tuple(files), tool_folders=tuple(tool_folders))


def own_paths(root: Path) -> list[str]:
    """Return the paths of the files that a repository is read from, featurectl.yaml first."""
    _, patterns = read_project(root, Report())
    files = find_files(root, patterns).files
    return [PROJECT_FILE, *(path for path in files if patterns or not _is_foreign(root, path))]


def _is_foreign(root: Path, path: str) -> bool:
    try:
        return read_if_own(root, path, Report())[1] is FOREIGN
    except TooManyProblemsError:
        return False


def _words(text: str) -> list[str]:
    """Return the words that stand as keys at the beginnings of lines; of UTF-16, read byte by byte, too."""
    return _KEY.findall(text.replace("\0", "").lstrip("\xff\xfe\ufeff"))


def has_foreign_key(text: str) -> bool:
    """Return whether a line of a text, which is not our YAML, begins with a key that is not ours."""
    return any(word not in _OWN for word in _words(text))


def read_if_own(root: Path, path: str, report: Report) -> tuple[str | None, Node | Literal["foreign"] | None]:
    """Return a file's text and what it holds, None when it is empty or can't be read, `FOREIGN` without a key of ours.

    What is wrong with a file that is not foreign goes to the report.

    Raises:
        TooManyProblemsError: more is wrong with it than anybody reads.
    """
    found = Report()
    try:
        text, node = read_file(root, path, found)
    except TooManyProblemsError:
        for problem in found.problems:
            report.add(problem)
        raise
    is_empty = node is None and not found.problems
    if text is not None and not is_empty and not _has_own_key(None if found.problems else node, text):
        return text, FOREIGN
    for problem in found.problems:
        report.add(problem)
    return text, node


def _after(patterns: Iterable[Pattern], name: str) -> frozenset[Pattern]:
    """Return what is left of patterns behind a part of a path; wildcards match no hidden name, as in a shell."""
    left = set()
    waiting = list(patterns)
    while waiting:
        first, *rest = waiting.pop() or ("",)
        if first == _ANY:
            if not name.startswith("."):
                left.add((_ANY, *rest))
            if rest:
                waiting.append(tuple(rest))
        elif fnmatchcase(name, first) and (first.startswith(".") or not name.startswith(".")):
            left.add(tuple(rest))
    return frozenset(left)


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern of `files:` matches a path, both relative to the root.

    >>> [matches("views/**", p) for p in ("views/a.yaml", "views/b/c.yaml", "views/.x/d.yaml", "a.yaml")]
    [True, True, False, False]
    """
    left = frozenset({tuple(pattern.split("/"))})
    for part in path.split("/"):
        left = _after(left, part)
    return _is_whole(left)


def _is_whole(left: frozenset[Pattern]) -> bool:
    return any(set(pattern) <= {_ANY} for pattern in left)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def _is_left_out(folder: str, *, at_root: bool) -> bool:
    return folder.startswith(".") or (at_root and folder in LEFT_OUT)


def is_read(root: Path, path: Path) -> bool:
    """Return whether a repository without `files:` reads, or would read, a file of this path.

    >>> [is_read(Path("/repo"), Path(p)) for p in ("/repo/a/b.yaml", "/repo/a.rules", "/repo/data/a.yml", "/a.yaml")]
    [True, False, False, False]
    """
    root, path = root.resolve(), path.resolve()
    if root not in path.parents:
        return False
    *folders, name = path.relative_to(root).parts
    if not name.endswith((".yaml", ".yml")) or name.startswith("."):
        return False
    return not any(_is_left_out(folder, at_root=at == 0) for at, folder in enumerate(folders))


def _has_own_key(node: Node | None, text: str) -> bool:
    r"""Return whether a file declares something, or tries to; `node` is what it holds, None: it is not our YAML.

    Then a word at the beginning of a line of its `text` tells. A misspelt list counts, and so does an object that
    stands there without its list.

    >>> _has_own_key(None, "stages:\n  a: &x"), _has_own_key(None, "modles:\n  - name: &x"), _has_own_key(None, "- a")
    (False, True, False)
    """
    if node is None:
        return any(word in LISTS or _meant(word) for word in _words(text))
    if isinstance(node, Fields):
        return any(key in _OWN or _declares(_meant(key), value) for key, value in node.nodes.items())
    if isinstance(node, Items):
        return any(_lacks_nothing(kind, item) for item in node for kind in LISTS)
    return False


_OWN: Final = frozenset({*LISTS, "project", "environments"})


def _meant(word: str) -> str:
    """Return the list that a key probably means; empty: none.

    >>> [_meant(word) for word in ("soruces", "views", "Feature-Views", "services", "resources", "params")]
    ['sources', 'feature_views', 'feature_views', '', '', '']
    """
    word = word.lower().replace("-", "_")
    near = nearest(word, _MEANT, similar=_SIMILAR)
    return _MEANT[near] if near[:1] == word[:1] else ""


def _declares(kind: str, value: Node) -> bool:
    """Return whether the value of a key that may mean a list is one, or an object in its place."""
    if not kind:
        return False
    return isinstance(value, Items) or (isinstance(value, ScalarNode) and value.empty) or _lacks_nothing(kind, value)


def _lacks_nothing(kind: str, node: Node) -> bool:
    """Return whether a mapping has all required keys of an object, and a name is not all that it has of the object."""
    known = LISTS[kind].known_keys()
    required = {key for key, needed in known.items() if needed}
    if not isinstance(node, Fields) or not required <= node.nodes.keys():
        return False
    return len(required) > 1 or (len(node.nodes) > 1 and node.nodes.keys() <= known.keys())


def patterns_of(own: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return patterns for `files:` that match some files, and none of the others (files or folders).

    >>> patterns_of(["a.yaml", "views/b.yaml", "views/c/d.yaml", "m/e.yaml"], ["m/x.yaml", "dbt/y.yaml"])
    ['a.yaml', 'm/e.yaml', 'views/**']
    >>> patterns_of([], ["dvc.yaml"])
    ['features.yaml', 'features/**']
    """
    mixed = {"/".join(parts[:end]) for parts in (path.split("/") for path in others) for end in range(1, len(parts))}
    found = set()
    for path in own:
        parts = path.split("/")
        folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
        whole = next((folder for folder in folders if folder not in mixed), None)
        found.add(path if whole is None else f"{whole}/{_ANY}")
    return sorted(found) or [*DEFAULT_PATTERNS]


def files_line(patterns: Iterable[str]) -> str:
    """Return the line of featurectl.yaml that has the repository read just what the patterns match.

    >>> files_line(["a.yaml", "views/**"])
    'files: ["a.yaml", "views/**"]'
    """
    quoted = ", ".join(json.dumps(pattern, ensure_ascii=False) for pattern in patterns)
    return f"files: [{quoted}]"
