"""featurectl.yaml -> the project and its environments: all that is read where no object of the files is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from featurectl.language.problems.report import Report
from featurectl.language.repo import Environment, Repo
from featurectl.language.resolve.project import resolve_environment
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.project import ProjectShape
from featurectl.language.syntax.node import Fields, File, Node
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file
from featurectl.language.syntax.place import Place
from featurectl.language.syntax.reader import MAX_BYTES, read_nodes, read_text

PROJECT_FILE: Final = "featurectl.yaml"


def load_project_file(root: Path) -> Repo:
    """Return what the project's own file means, without any object: no other file is read."""
    report = Report()
    shape, _ = read_project(root, report)
    return Repo(
        project=shape.project if shape else "",
        environments=environments_of(shape),
        problems=tuple(sorted(dict.fromkeys(report.problems), key=lambda p: p.sort_key())),
        files=(PROJECT_FILE,),
    )


def read_project(root: Path, report: Report) -> tuple[ProjectShape | None, tuple[str, ...]]:
    """Return what the project's own file says, and its `files:`.

    The first is None when something is wrong, and every reason is in the report; `files:` are known all the same.
    """
    found = len(report.problems)
    _, node = read_file(root, PROJECT_FILE, report)
    if node is None:
        if len(report.problems) == found:
            message = "the file is empty: it needs a project and its environments"
            report.error("FC103", message, Place(PROJECT_FILE))
        return None, ()
    patterns = tuple(item.text for item in listed_names(node, "files")) if isinstance(node, Fields) else ()
    try:
        return ProjectShape.model_validate(node, context=report), patterns
    except ValidationError:
        assert report.problems
        return None, patterns


def environments_of(project: ProjectShape | None) -> dict[str, Environment]:
    """Return the environments of a project by name."""
    return {} if project is None else {n: resolve_environment(n, s) for n, s in project.environments.items()}


def read_file(root: Path, relative: str, report: Report) -> tuple[str | None, Node | None]:
    """Return the text of a YAML file and its nodes; what is wrong is in the report.

    The text is None where the file can't be read, the nodes also where it is empty or is not our YAML. A text that is
    not UTF-8 is read as Latin-1.
    """
    try:
        content = read_own_file(root, relative, MAX_BYTES)
    except NotOwnFileError as error:
        report.error("FC007", f"the file is not read: {error}", Place(relative))
        return None, None
    except FileTooLargeError as error:
        report.error("FC001", f"the file is {error}; at most 5 MB are read", Place(relative))
        return None, None
    except OSError as error:
        report.error("FC001", f"the file can't be read: {error.strerror}", Place(relative))
        return None, None
    text = read_text(relative, content, report)
    if text is None:
        return content.decode("latin-1"), None
    return text, read_nodes(File(relative, text), report)
