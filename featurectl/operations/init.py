"""Write a repository that works at once, by a template."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.core.version import __version__

# Where editors find the JSON Schemas; the first line of each YAML file names one, relative to the file.
SCHEMA = ".featurectl/schema.json"
PROJECT_SCHEMA = ".featurectl/project.schema.json"
MARKER = "featurectl.yaml"  # what makes a folder a repository: it enters last
KEPT = (".gitignore",)  # files of a template that are left out where the folder has its own
MOST_NAMED = 5
RENDERED = ".jinja"
# What may come with a template: a folder beside those of the templates, and what to do with it, after the rest.
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "docker": (
        'echo "POSTGRES_PASSWORD=$(openssl rand -hex 16)" > deploy/.env',
        "docker compose -f deploy/compose.yaml up --build --detach",
    ),
}

# What to do first in a repository of each template, in order.
NEXT = {
    "flights": (
        "featurectl validate",
        "featurectl test",
        "featurectl plan",
        "featurectl apply --auto-approve",
        "featurectl materialize",
        "featurectl train late_arrival",
        "featurectl score late_arrival --out scores.parquet",
        "featurectl get carrier_arrivals carrier=UA",
        "featurectl status",
    ),
    "swipes": (
        "python3 swipes.py history",
        "featurectl validate",
        "featurectl test",
        "featurectl apply --auto-approve",
        "featurectl materialize",
        "featurectl train fraud",
        "python3 swipes.py live | featurectl stream send swipes",
        "featurectl stream run --once",
        "featurectl get card_swipes card=card-119",
    ),
    "minimal": (
        "featurectl validate",
        "featurectl plan",
        "featurectl apply --auto-approve",
        "featurectl materialize",
        "featurectl get customer_orders customer=ann",
    ),
    "empty": ("featurectl validate",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRepository:
    """The project of a repository that was written, its files, and the command lines to begin with.

    `left` are files that were there and stay as they are.
    """

    project: str
    files: list[str]
    left: list[str]
    following: tuple[str, ...]


def init_repository(folder: Path, template: str, extras: Sequence[str] = ()) -> WrittenRepository:
    """Write a repository by a template, with some of `EXTRAS`.

    Raises:
        UsageError: there is no such template or extra, or the folder can't take it.
    """
    if template not in NEXT:
        raise UsageError(f"no template {template!r}", hint="templates: " + ", ".join(NEXT))
    for extra in extras:
        if extra not in EXTRAS:
            raise UsageError(f"--with {extra!r} is nothing to write", hint="with: " + ", ".join(EXTRAS))
    project = project_name(folder)
    _check_alone(folder)
    files = write_repository(template_folder() / template, folder, project, extras)
    left = [name for name in KEPT if name not in files]
    enter = () if folder.resolve() == Path.cwd() else (f"cd {shlex.quote(str(folder))}",)
    following = [*NEXT[template], *(line for extra in extras for line in EXTRAS[extra])]
    return WrittenRepository(project=project, files=files, left=left, following=(*enter, *following))


def _check_alone(folder: Path) -> None:
    """Refuse a folder whose YAML another repository around it would read as its own."""
    from featurectl.language.repository_files import is_read

    whole = folder.resolve()
    outer = next((parent for parent in whole.parents if (parent / MARKER).is_file()), None)
    if outer is not None and is_read(outer, whole / MARKER):
        message = f"{folder} lies in the repository {outer}, which would read its files as its own"
        raise UsageError(message, hint="give a folder outside it, or below its data/")


def project_name(folder: Path) -> str:
    """Return the folder's name as a project's name; `flights` when nothing of it can stay.

    >>> project_name(Path("/srv/Flight-Delays 2")), project_name(Path("2026"))
    ('flight_delays_2', 'flights')
    """
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) else "flights"


def template_folder() -> Path:
    """Return the folder of the templates: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parents[1]
    inside = package / "feature_repo_template"
    return inside if inside.is_dir() else package.parent / "feature_repo_template"


def write_repository(template: Path, folder: Path, project: str, extras: Sequence[str] = ()) -> list[str]:
    """Return the paths of the files that were written below `folder`, all of them or none.

    Other files of the folder are left alone, and so is one of `KEPT` that is there.

    Raises:
        UsageError: a file is there already, the folder is a file, or can't be written.
    """
    try:
        with staging(folder) as staged:
            places = [template, *(template.parent / f"with_{extra}" for extra in extras)]
            sources = [(path, place) for place in places for path in template_files(place)]
            known: dict[str, object] = {"project": project, "template": template.name, "version": __version__}
            known |= {extra: extra in extras for extra in EXTRAS}
            known["files"] = _files_line(folder, [path.relative_to(at).as_posix() for path, at in sources])
            files = [write_file(path, at, staged, known) for path, at in sources if not _is_kept(path.name, folder)]
            files.extend(name for name in write_schemas(staged) if not (folder / name).exists())
            check_free(folder, files)
            move_in(staged, folder, files)
    except OSError as error:
        raise write_failure(f"can't write {folder}", error) from error
    return files


def _files_line(folder: Path, written: Sequence[str]) -> str:
    """Return the line of featurectl.yaml that leaves out YAML that lies in the folder already; empty: none does."""
    from featurectl.language.repository_files import LEFT_OUT, files_line, find_files, patterns_of

    found = find_files(folder) if folder.is_dir() else None
    others = [] if found is None else [path for path in (*found.files, *found.tool_folders) if path not in written]
    if not others:
        return ""
    yaml = [name for name in written if name.endswith((".yaml", ".yml")) and not name.startswith(".")]
    own = [name for name in yaml if name.split("/")[0] not in LEFT_OUT]
    return files_line(patterns_of(own, others))


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder inside `folder`, which is made where missing; whatever fails, both are as before."""
    from tempfile import mkdtemp  # loads random, hashlib and more, which no other command needs

    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staged = Path(mkdtemp(prefix=".init-", dir=folder))
        try:
            yield staged
        finally:
            shutil.rmtree(staged)
    except BaseException:
        _remove_empty(made[::-1])
        raise


def template_files(template: Path) -> list[Path]:
    """Return the files of a template, hidden ones too, in order; not what Python compiled beside its programs."""
    return sorted(path for path in template.rglob("*") if path.is_file() and path.parent.name != "__pycache__")


def write_file(source: Path, template: Path, staged: Path, known: Mapping[str, object]) -> str:
    """Return the path of the file written, relative to the repository: a copy, or rendered where it ends in .jinja."""
    name = source.relative_to(template).as_posix()
    target = staged / name.removesuffix(RENDERED)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == RENDERED:
        target.write_text(render(source.read_text(encoding="utf-8"), known), encoding="utf-8", newline="\n")
    else:
        shutil.copyfile(source, target)
    return name.removesuffix(RENDERED)


def write_schemas(staged: Path) -> list[str]:
    """Return the paths of the JSON Schemas of the repository's files, written for editors."""
    from featurectl.language.json_schema import file_schema, project_schema

    for name, schema in ((SCHEMA, file_schema()), (PROJECT_SCHEMA, project_schema())):
        target = staged / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8", newline="\n")
    return [SCHEMA, PROJECT_SCHEMA]


def render(text: str, known: Mapping[str, object]) -> str:
    """Return a template's text with what is known in its place; a name that is not is an error."""
    from jinja2 import Environment, StrictUndefined, select_autoescape

    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(default_for_string=False),  # YAML and Markdown know nothing of HTML's escapes
    )
    return environment.from_string(text).render(known)


def check_free(folder: Path, files: Sequence[str]) -> None:
    """Refuse a folder in which something stands where a file is to be written.

    Raises:
        UsageError: something does; it names up to `MOST_NAMED` of them.
    """
    taken = [
        name
        for name in files
        if any(_is_in_the_way(path) for path in _folders(folder, name)) or os.path.lexists(folder / name)
    ]
    if taken:
        raise _taken(folder, taken)


def _taken(folder: Path, names: Sequence[str]) -> UsageError:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    message = f"{folder} has {', '.join(names[:MOST_NAMED])}{more} already"
    return UsageError(message, hint="init writes over nothing: give another folder, or move them away")


def _folders(folder: Path, name: str) -> list[Path]:
    """Return the folders between a folder and a file below it."""
    return [folder / part for part in Path(name).parents if part != Path()]


def _is_in_the_way(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


def _is_kept(name: str, folder: Path) -> bool:
    return name in KEPT and os.path.lexists(folder / name)


def move_in(staged: Path, folder: Path, files: Sequence[str]) -> None:
    """Put what is staged into the folder around it, the marker last; when one file can't be, all are taken out again.

    Raises:
        UsageError: another program wrote a file of that name meanwhile, which stays.
    """
    added: list[Path] = []
    made: list[Path] = []
    try:
        for name in sorted(files, key=lambda name: name == MARKER):
            missing = [parent for parent in reversed((folder / name).parents) if not parent.exists()]
            made += missing
            for parent in missing:
                parent.mkdir(exist_ok=True)
            _add_file(staged / name, folder / name)
            added.append(folder / name)
    except BaseException as error:
        for path in added:
            path.unlink()
        _remove_empty(made)
        if isinstance(error, FileExistsError):
            raise _taken(folder, [name]) from error
        raise


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the inner ones first, but for those that somebody else has put something into."""
    for path in reversed(folders):
        with suppress(OSError):
            path.rmdir()


def _add_file(staged: Path, target: Path) -> None:
    """Put a file where none is: never over one that another program writes at the same moment.

    Raises:
        FileExistsError: one is there.
    """
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with target.open("xb") as written:
            try:
                written.write(staged.read_bytes())
            except BaseException:
                target.unlink()
                raise
