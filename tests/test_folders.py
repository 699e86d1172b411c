"""The folders of tests are those of the package; what lies beside them is of no room, or of several."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "featurectl"

OF_NO_ROOM = {"bad_input", "benchmarks", "corpus", "docs", "end_to_end", "servers"}
OF_THE_HOUSE = {"test_contributing", "test_folders", "test_glossary", "test_layers", "test_samples", "test_stress"}


def folders(place: Path) -> set[str]:
    return {path.parent.name for path in place.glob("*/*.py")}


def test_a_folder_of_tests_has_the_name_of_a_room():
    assert folders(TESTS) - folders(PACKAGE) == OF_NO_ROOM


def test_a_folder_of_tests_of_operations_has_the_name_of_one():
    assert folders(TESTS / "operations") - folders(PACKAGE / "operations") == set()


def test_only_tests_of_the_whole_house_lie_in_no_folder():
    assert {path.stem for path in TESTS.glob("test_*.py")} == OF_THE_HOUSE
