"""What the repository's files say of where a project is run: its environment's variables, and what lies on a disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.variables import named_variables
from featurectl.language.repo import Environment, Repo
from featurectl.pipelines.render.request import PROGRAM, Requirements, Site, Variable

_STORES: Final = ("registry", "offline", "online", "streams")
_EXTRAS: Final = (
    ("postgres", "postgres"), ("redis", "redis"), ("kafka", "kafka"), ("dynamodb", "dynamodb"), ("mysql", "mysql"),
    ("duckdb", "duckdb"), ("snowflake", "snowflake"), ("bigquery", "bigquery"), ("s3:", "cloud"), ("gs:", "cloud"),
    ("az:", "cloud"), ("abfs", "cloud"),
)  # fmt: skip
_FOLDER: Final = re.compile(r"/[\w./-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE: Final = re.compile(r"[\w.:/@-]+")
REQUIREMENTS: Final = "requirements.txt"
_OTHER_FILE: Final = re.compile(r"(?:-r\s*|--requirement[ =]\s*)(\S.*)")
_OWN: Final = re.compile(r"(?:^|[/+])featurectl(?![\w-])", re.IGNORECASE)  # by its name, or in an address
_COMMENT: Final = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlaces:
    """Where a project lies on what runs it ("": by the project's name), and variables that no file of it names."""

    image: str = ""
    folder: str = ""
    variables: tuple[str, ...] = ()


def site_of(root: Path, repo: Repo, environment: Environment, places: SitePlaces) -> Site:
    """Return what a target needs to know of the project in an environment.

    Raises:
        UsageError: a place is none that every target can take.
    """
    if places.image and not _IMAGE.fullmatch(places.image):
        raise UsageError(f"--image {places.image!r} is no name of an image", hint="like registry.example.com/shop:3")
    if places.folder and not _FOLDER.fullmatch(places.folder):
        raise UsageError(f"--folder {places.folder!r} is no whole path without spaces", hint="like /srv/shop")
    for name in places.variables:
        if not _VARIABLE.fullmatch(name):
            raise UsageError(f"--variable {name!r} is no name of a variable", hint="like AWS_REGION, without a value")
    return Site(
        project=repo.project,
        environment=environment.name,
        variables=variables_of(repo, environment, places.variables),
        on_disk=tuple(_on_disk(environment)),
        image=places.image or f"{repo.project}:latest",
        folder=places.folder.rstrip("/") or f"/srv/{repo.project}",
        in_checkout=_in_checkout(root),
        requirements=requirements_of(root, package_of(repo, environment)),
    )


def variables_of(repo: Repo, environment: Environment, more: Iterable[str] = ()) -> tuple[Variable, ...]:
    """Return the variables that a run in an environment reads: those of it, of the sources and of the notifiers."""
    found = dict.fromkeys(more, True)
    for part in (environment, *repo.sources.values(), *repo.notifiers.values()):
        for text in _texts(part):
            for name, default in named_variables(text):
                found[name] = found.get(name, False) or default is None
    return tuple(Variable(name=name, is_needed=found[name]) for name in sorted(found))


def _texts(value: object) -> Iterator[str]:
    """Yield each text in an object, and in what it is made of."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in _texts(item))


def package_of(repo: Repo, environment: Environment) -> str:
    """Return what pip installs to run a repository in an environment.

    Of an address that is a variable it is taken that it is what such an address mostly is: PostgreSQL for a registry,
    Redis online, a bucket offline.
    """
    addresses = {part: getattr(environment, part) for part in _STORES}
    usual = {"registry": "postgres:", "offline": "s3:", "online": "redis:", "streams": "redis:"}
    found = [usual[part] if text.startswith("${") else text for part, text in addresses.items() if text]
    found += [text for source in repo.sources.values() for text in _texts((source.path, source.sql)) if "://" in text]
    extras = {extra for text in found for scheme, extra in _EXTRAS if text.startswith(scheme)}
    extras |= {"models"} if repo.models else set()
    return f"{PROGRAM}[{','.join(sorted(extras))}]" if extras else PROGRAM


def _on_disk(environment: Environment) -> Iterator[str]:
    """Yield the parts of an environment that one machine has alone, each with its address."""
    for part in _STORES:
        address: str = getattr(environment, part)
        is_elsewhere = "://" in address and not address.startswith(("sqlite:", "file:"))
        if address and not is_elsewhere and not address.startswith("${"):
            yield f"{part} {address}"


def _in_checkout(root: Path) -> str:
    """Return the folder of a repository in the checkout that holds it, with / between folders."""
    real = Path(os.path.realpath(root))
    top = next((folder for folder in (real, *real.parents) if (folder / ".git").exists()), real)
    return "" if top == real else real.relative_to(top).as_posix()


def requirements_of(root: Path, package: str) -> Requirements:
    """Return the requirements of a repository; `package` is installed unless they name featurectl themselves.

    Raises:
        UsageError: the file can't be read.
    """
    file = root / REQUIREMENTS
    if not file.is_file():
        return Requirements(package=package)
    is_named = any(_OWN.search(line) for line in _lines(file, set()))
    return Requirements(file=REQUIREMENTS, package="" if is_named else package)


def _lines(file: Path, seen: set[Path]) -> Iterator[str]:
    """Yield the lines of a file of requirements and of those that it names, without comments."""
    if file.resolve() in seen or not file.is_file():
        return
    seen.add(file.resolve())
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    for line in text.splitlines():
        plain = _COMMENT.sub("", line).strip()
        if found := _OTHER_FILE.fullmatch(plain):
            yield from _lines(file.parent / found[1], seen)
        elif not plain.startswith("-"):
            yield plain
