"""`featurectl validate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import WHOLE, Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.language.definitions.objects import Source
    from featurectl.language.problems.codes import Problem
    from featurectl.language.repo import Repo


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "validate", outputs=("text", "concise", "json", "github", "sarif", "junit"))
    def validate(
        call: Call,
        data: Annotated[bool, typer.Option("--data/--no-data", help="Read the schemas of local files.")] = True,
    ) -> Outcome:
        """Check every file of the repository. All problems at once; without network and registry."""
        from featurectl.language.load import load_repo

        begin = time.perf_counter()
        root = call.root()
        repo = load_repo(root, _schemas(root) if data else None)
        problems = [*repo.problems, *_not_run(repo, call.env)]
        if call.quiet:
            problems = [p for p in problems if p.severity == "error"]
        problems.sort(key=lambda p: p.sort_key())
        counts = object_counts(repo)
        text = "" if repo.errors else valid_text(counts, len(repo.files))
        return Outcome(
            text=text,
            result={"project": repo.project, "files": len(repo.files), "objects": counts},
            exit_code=1 if repo.errors else 0,
            problems=tuple(problems),
            drawings={"concise": text, "github": text} | _for_ci(call, problems, time.perf_counter() - begin),
        )


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


def _schemas(root: Path) -> Callable[[Source], Mapping[str, str] | None]:
    """Return a reader of local files' schemas, which looks whether the files are there when columns are declared.

    What it needs is imported when a source declares no columns.
    """

    def read(source: Source) -> Mapping[str, str] | None:
        from featurectl.sources.open import check_there

        check_there(source, root)
        if source.columns_declared:
            return source.columns
        from featurectl.sources.open import read_schema

        return read_schema(source, root)

    return read


def _not_run(repo: Repo, env: str | None) -> list[Problem]:
    """Return what `apply` will refuse, as warnings: it is valid."""
    names = list(repo.environments)
    if env is not None and env not in repo.environments and repo.environments:
        raise UsageError(f"no environment {env!r} in featurectl.yaml", hint="environments: " + ", ".join(names))
    chosen = [repo.environments[env or names[0]]] if names else []
    found = [*repo.unsupported, *(p for e in chosen for p in e.unsupported)]
    return [replace(p, severity="warning", notes=("`apply` refuses it",)) for p in found]


def object_counts(repo: Repo) -> dict[str, int]:
    """Return how many objects of each kind a repository has, those that it has none of left out."""
    counts = {
        "entities": len(repo.entities),
        "sources": len(repo.sources),
        "feature views": len(repo.views),
        "models": len(repo.models),
        "tests": len(repo.tests),
        **repo.others,
    }
    return {kind: count for kind, count in counts.items() if count}


def valid_text(counts: Mapping[str, int], files: int) -> str:
    """Return the sentence of a valid repository.

    >>> valid_text({"entities": 4, "models": 1}, 1)
    '5 objects in 1 file are valid: 4 entities, 1 model.'
    """
    total = sum(counts.values())
    singular = {"entities": "entity"}
    parts = [f"{n} {kind if n != 1 else singular.get(kind, kind.removesuffix('s'))}" for kind, n in counts.items()]
    objects = f"{total} object{'' if total == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    return f"{objects} {'is' if total == 1 else 'are'} valid: {', '.join(parts)}."
