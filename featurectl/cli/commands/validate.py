"""`featurectl validate`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import WHOLE, Call, Outcome
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.language.problems.codes import Problem


@verb(outputs=("text", "concise", "json", "github", "sarif", "junit"))
def validate(
    call: Call,
    path: Annotated[
        Path | None, typer.Argument(help="The repository's folder, or one of its files, whose problems come first.")
    ] = None,
    data: Annotated[bool, typer.Option("--data/--no-data", help="Read the schemas of local files.")] = True,
) -> Outcome:
    """Check every file of the repository.

    All problems at once; without network and registry.
    """
    from featurectl.operations.validate import object_counts, validate_repository
    from featurectl.render.validation import valid_text

    begin = time.perf_counter()
    root, first = (call.root(), "") if path is None else _chosen(call, path)
    call = replace(call, repo=root)
    found = validate_repository(root, call.env, data=data, warnings=not call.quiet, first=first)
    counts, files = object_counts(found.repo), len(found.repo.files)
    text = valid_text(counts, files) if found.is_valid else ""
    return Outcome(
        text=text,
        result={"project": found.repo.project, "files": files, "objects": counts},
        exit_code=0 if found.is_valid else 1,
        problems=found.problems,
        root=root,
        drawings={"concise": text, "github": text} | _for_ci(call, found.problems, time.perf_counter() - begin),
    )


def _chosen(call: Call, path: Path) -> tuple[Path, str]:
    """Return the root of the repository that a folder or a file is of, and the file's path in it, "" for a folder."""
    from featurectl.language.repository_files import own_paths
    from featurectl.workspace.open import find_root

    if call.repo is not None:
        raise UsageError(f"{path}, and --repo", hint="one of them says what is validated")
    if not path.exists():
        raise UsageError(f"there is no {path}")
    root = find_root((path if path.is_dir() else path.parent).resolve(), above=True)
    if path.is_dir():
        return root, ""
    relative = Path(os.path.relpath(path.absolute(), root.absolute())).as_posix()
    if relative not in own_paths(root):
        hint = "its files end in .yaml or .yml; without `files:` they stand neither in data/ nor in hidden folders"
        raise UsageError(f"{path} is no file that the repository in {root} is read from", hint=hint)
    return root, relative


def _for_ci(call: Call, problems: Sequence[Problem], seconds: float) -> dict[str, str]:
    """Return the drawing of the call's output when that is a document of its own; GitHub's step gets its summary."""
    from featurectl.cli.render.problems import listed, render_problems

    if call.output == "github":
        from featurectl.cli.render.files import Files
        from featurectl.cli.render.github import problem_table, write_step_summary

        table = problem_table(listed(problems, call), Files(call))
        write_step_summary(f"### featurectl validate\n\n{table}\n")
    elif call.output in WHOLE:
        return {call.output: render_problems(problems, call, seconds)}
    return {}
