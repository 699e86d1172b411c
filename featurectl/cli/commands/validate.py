"""`featurectl validate`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import WHOLE, Call, Outcome
from featurectl.core.kinds import WORDS

if TYPE_CHECKING:
    from featurectl.language.problems.codes import Problem


@verb(outputs=("text", "concise", "json", "github", "sarif", "junit"))
def validate(
    call: Call, data: Annotated[bool, typer.Option("--data/--no-data", help="Read the schemas of local files.")] = True
) -> Outcome:
    """Check every file of the repository. All problems at once; without network and registry."""
    from featurectl.operations.validate import object_counts, validate_repository

    begin = time.perf_counter()
    found = validate_repository(call.root(), call.env, data=data, warnings=not call.quiet)
    counts, files = object_counts(found.repo), len(found.repo.files)
    text = "" if found.repo.errors else valid_text(counts, files)
    return Outcome(
        text=text,
        result={"project": found.repo.project, "files": files, "objects": counts},
        exit_code=1 if found.repo.errors else 0,
        problems=found.problems,
        drawings={"concise": text, "github": text} | _for_ci(call, found.problems, time.perf_counter() - begin),
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


def valid_text(counts: Mapping[str, int], files: int) -> str:
    """Return the sentence of a valid repository.

    >>> valid_text({"entities": 4, "models": 1}, 1)
    '5 objects in 1 file are valid: 4 entities, 1 model.'
    """
    total = sum(counts.values())
    singular = {words.several: words.one for words in WORDS.values()}
    parts = [f"{n} {kind if n != 1 else singular[kind]}" for kind, n in counts.items()]
    objects = f"{total} object{'' if total == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    return f"{objects} {'is' if total == 1 else 'are'} valid: {', '.join(parts)}."
