"""What materialize makes of sources that still have erased rows: the tables of sources without them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from featurectl.cli.main import main
from featurectl.core.erasures import KeyPart
from tests.erasure.erased_people import bury, erase, erase_again, files_with
from tests.erasure.small_project import PEOPLE, T0, Row, make_project, random_rows, run, tables, write_sources
from tests.seeds import seeds_from

OF_PERSON = ("fixed", "last", "made", "recent", "spend", "whole")
OF_VISIT = ("rows_of_query", "visits")
Erased = tuple[Mapping[str, KeyPart], datetime | None]


def keeps(*erased: Erased) -> Callable[[Row], bool]:
    """The oracle: which rows of sources stay, of the keys that were erased until an instant (None: all)."""

    def kept(row: Row) -> bool:
        theirs = [until for parts, until in erased if all(row[key] == part for key, part in parts.items())]
        clocks = [clock for clock in (row["at"], row["known"]) if clock is not None]
        return not any(until is None or not clocks or min(clocks) <= until for until in theirs)

    return kept


def project(root: Path, files: list[list[Row]], kept: Callable[[Row], bool] = lambda _: True) -> Path:
    make_project(root)
    write_sources(root, files, kept)
    run(root, "apply", "--auto-approve")
    run(root, "materialize", "--no-online")
    return root


def same(root: Path, other: Path, views: tuple[str, ...]) -> None:
    mine, theirs = tables(root), tables(other)
    for view in views:
        assert_frame_equal(mine[view], theirs[view])


def materialized(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["materialize", "--no-online", "-C", str(root), "-o", "json", *words]) == 0
    return {item["view"]: item for item in json.loads(capsys.readouterr().out)["result"]["views"]}


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds_from(0, 8))
def test_any_history_gives_the_tables_of_sources_without_them(tmp_path: Path, seed: int):
    rng, files, people, visits = random.Random(seed), [], list[Erased](), list[Erased]()
    root = tmp_path / "a"
    for step in range(4):
        files.append(random_rows(12, rng, step * 2))
        if step == 0:
            project(root, files)
        write_sources(root, files)
        if step and rng.random() < 0.7:
            until = rng.choice([None, T0 + timedelta(days=rng.randrange(step * 2))])
            person = rng.choice(PEOPLE)
            some: list[dict[str, KeyPart]] = [{"person": person}, {"person": person, "place": 1}, {"place": 2}]
            parts = rng.choice(some)
            entity = "person" if parts.keys() == {"person"} and rng.random() < 0.7 else "visit"
            those = people if entity == "person" else visits
            until = None if any(parts == earlier for earlier, _ in those) else until  # a later one is never earlier
            bury(root, entity, parts, until)
            those.append((parts, until))
        if rng.random() < 0.5:
            erase_again(root)
        run(root, "materialize", "--no-online", *rng.choice([[], [], ["--full"], ["visits", "spend", "recent"]]))
    run(root, "materialize", "--no-online")
    same(root, project(tmp_path / "people", files, keeps(*people)), OF_PERSON)
    same(root, project(tmp_path / "visits", files, keeps(*visits)), OF_VISIT)


@pytest.fixture
def four(tmp_path: Path) -> tuple[Path, list[list[Row]]]:
    files = [random_rows(15, random.Random(5), step * 2) for step in range(3)]
    return project(tmp_path / "a", files), files


@pytest.mark.long
@pytest.mark.parametrize("words", [[], ["--full"], ["--since", "2026-01-03T00:00:00Z"]], ids=" ".join)
@pytest.mark.sample(1)
def test_erased_rows_stay_away_and_nothing_is_said_of_them(four, capsys, words):
    root, files = four
    erase(root, "person", person=PEOPLE[0])
    write_sources(root, [*files, random_rows(15, random.Random(7), 6)])
    views = [*(["last", "spend", "made", "recent"] if "--since" in words else [])]
    first = materialized(root, capsys, *views, *words)
    for name, made in first.items():
        if name in OF_PERSON:
            left_out = made["dropped"].get("erased", 0)
            assert left_out > 0 or made["action"] == "nothing" or name in ("made", "recent"), name
        assert set(made["dropped"]) <= {"erased", "repeated"}, name
        assert (made["late_since"], made["changed_parts"], made["fewer_rows"]) == (None, [], 0), name
    again = materialized(root, capsys)
    for name, made in again.items():
        assert (made["late_since"], made["changed_parts"], made["fewer_rows"]) == (None, [], 0), name
        if name in first:
            assert (made["action"], made["table_version"]) == ("nothing", first[name]["table_version"]), name
    for name, rows in tables(root).items():
        assert name in OF_VISIT or PEOPLE[0] not in str(rows.to_dicts())


@pytest.mark.long
def test_a_run_after_an_erasure_takes_what_is_new_and_makes_nothing_anew(four, capsys):
    root, files = four
    erase(root, "person", person=PEOPLE[0])
    assert {made["action"] for made in materialized(root, capsys).values()} == {"nothing"}
    write_sources(root, [*files, random_rows(15, random.Random(7), 6)])
    actions = {name: made["action"] for name, made in materialized(root, capsys).items()}
    assert actions == {
        "anyone": "append", "fixed": "nothing", "last": "append", "made": "rebuild", "recent": "append",
        "rows_of_query": "append", "spend": "append", "visits": "append", "whole": "rebuild",
    }  # fmt: skip


@pytest.mark.long
def test_a_backup_that_comes_back_is_cleaned_by_the_next_run(four):
    root, _ = four
    shutil.copytree(root / "off", root / "backup")
    erase(root, "person", person=PEOPLE[0])
    erase(root, "visit", person=PEOPLE[0])
    run(root, "materialize", "anyone", "--full", "--no-online")
    assert files_with(root / "off", PEOPLE[0]) == []
    run(root, "materialize", "--full", "--no-online")
    assert files_with(root / "off", PEOPLE[0]) == []
    shutil.rmtree(root / "off")
    shutil.copytree(root / "backup", root / "off")
    assert files_with(root / "off", PEOPLE[0]) != []
    run(root, "materialize", "--no-online")
    assert files_with(root / "off", PEOPLE[0]) == []


@pytest.mark.long
def test_a_registry_from_before_an_erasure_is_an_error(four, capsys):
    root, _ = four
    shutil.copy(root / "r.db", root / "old.db")
    erase(root, "person", person=PEOPLE[0])
    shutil.copy(root / "old.db", root / "r.db")
    capsys.readouterr()
    run(root, "materialize", "spend", "--no-online", code=69)
    assert "FC619" in capsys.readouterr().err
    erase(root, "person", person=PEOPLE[0])
    run(root, "materialize", "spend", "--no-online")
