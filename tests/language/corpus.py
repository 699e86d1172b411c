"""The corpus of broken repositories: how an expectation is read, and how its repository is laid out."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CORPUS: Final = Path(__file__).parents[1] / "corpus"
PROJECT: Final = """\
project: corpus
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One problem that `validate` must report. `text` is what stands between `column` and `end_column`."""

    code: str
    path: str
    line: int
    column: int
    severity: str = "error"
    end_column: int | None = None
    text: str = ""
    suggestion: str = ""
    message: tuple[str, ...] = ()
    notes: str = ""
    related: tuple[tuple[str, int, int], ...] = ()
    related_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder: how its repository is made and what is wrong with it, in the order of the report."""

    name: str
    base: str
    data: bool
    make: tuple[dict[str, Any], ...]
    problems: tuple[Expected, ...]

    @property
    def args(self) -> list[str]:
        """The command that reports the problems: without data, unless the case is about data."""
        return ["validate"] if self.data else ["validate", "--no-data"]

    @property
    def code(self) -> str:
        """The code in the folder's name; empty when it stands for several."""
        word = self.name.split("_")[0].upper()
        return word if word.startswith("FC") else ""


def folders() -> list[Path]:
    """Return the folders of the corpus, bases left out."""
    return sorted(path for path in CORPUS.iterdir() if path.is_dir() and path.name[0] not in "_.")


def read_case(folder: Path) -> Case:
    """Return a folder's expectation. Raises TypeError on a key that there is not."""
    found = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    problems = tuple(_expected(one) for one in found.pop("problem", []))
    case = Case(
        name=folder.name,
        base=found.pop("base", ""),
        data=found.pop("data", False),
        make=tuple(found.pop("make", [])),
        problems=problems,
    )
    if found:
        raise TypeError(f"{folder.name}: unknown keys {sorted(found)}")
    return case


def _expected(one: dict[str, Any]) -> Expected:
    related = one.pop("related", [])
    places = tuple((place["path"], place["line"], place["column"]) for place in related)
    words = tuple(place.get("message", "") for place in related)
    return Expected(**one | {"message": tuple(one.get("message", [])), "related": places, "related_words": words})


def lay_out(case: Case, root: Path) -> None:
    """Write a case's repository: the base's files, the folder's own, what is made, and a project file if none."""
    for folder in ([CORPUS / "_bases" / case.base] if case.base else []) + [CORPUS / case.name]:
        shutil.copytree(folder, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.toml"))
    for recipe in case.make:
        _make(recipe, root / recipe["path"])
    if not (root / "featurectl.yaml").exists():
        (root / "featurectl.yaml").write_text(PROJECT, encoding="utf-8")


def _make(recipe: dict[str, Any], path: Path) -> None:
    """Write one file that can't stand in the corpus itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match recipe:
        case {"link": target}:
            path.symlink_to(target)
        case {"columns": columns}:
            _table(columns, path, delta=recipe.get("delta", False))
        case {"hex": digits}:
            path.write_bytes(bytes.fromhex(digits))
        case {"text": text}:
            whole = text + recipe.get("repeat", "") * recipe.get("times", 0)
            path.write_bytes(whole.encode(recipe.get("encoding", "utf-8")))
        case _:
            raise TypeError(f"no recipe: {recipe}")


def _table(columns: dict[str, str], path: Path, *, delta: bool) -> None:
    """Write a table without rows."""
    import polars as pl

    types = {
        "string": pl.String(),
        "int64": pl.Int64(),
        "float64": pl.Float64(),
        "timestamp": pl.Datetime("us", "UTC"),
        "date": pl.Date(),
    }
    frame = pl.DataFrame(schema={name: types[dtype] for name, dtype in columns.items()})
    if delta:
        frame.write_delta(str(path))
    else:
        frame.write_parquet(path)
