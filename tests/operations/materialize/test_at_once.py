"""Two runs of `featurectl materialize` at once: the later commit is refused (75), nothing doubles, a re-run ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.end_to_end.applies import Worker
from tests.operations.materialize.at_once import (
    CUSTOMERS,
    ROWS,
    materialize_slowly,
    online_rows,
    table_of,
    write_orders,
    write_repository,
)
from tests.warm import WarmProcess


def materialize(root: Path) -> int:
    return main(["materialize", "-q", "-C", str(root)])


def check_equal(root: Path, undisturbed: Path) -> None:
    """The table and the online store are those of a repository that one run after the other has materialized."""
    files = len(list((root / "data").iterdir()))
    assert table_of(root).height == ROWS * files
    assert table_of(root).equals(table_of(undisturbed))
    rows = online_rows(root)
    assert len(rows) == CUSTOMERS
    assert rows == online_rows(undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("before", [0, 1], ids=["the first run", "a later run"])
@pytest.mark.sample(1)
def test_a_run_that_another_has_overtaken_is_refused_and_the_next_finishes(tmp_path, before, capsys):
    roots = [write_repository(tmp_path / name) for name in ("met", "undisturbed")]
    for root in roots:
        for number in range(before):
            assert materialize(root) == 0
            write_orders(root, number + 1)
    root, undisturbed = roots
    with WarmProcess(materialize_slowly, str(root)) as slow:
        assert slow.line() == "ready\n"  # its files are written, its commit is to come
        write_orders(root, before + 1)  # so that the other has more to say
        assert materialize(root) == 0
        met = table_of(root)
        slow.stdin.write("go\n")
        code, said = slow.end()
    assert code == 75, said
    assert "was written by another run; run it again" in said
    assert "spend" in said
    assert "Traceback" not in said
    assert table_of(root).equals(met)
    write_orders(undisturbed, before + 1)
    assert materialize(undisturbed) == 0
    for place in roots:
        write_orders(place, before + 2)
        assert materialize(place) == 0
    check_equal(root, undisturbed)
    capsys.readouterr()
    assert main(["materialize", "-C", str(root)]) == 0
    assert "0 of 1 table changed, 0 rows written, 0 online rows sent." in capsys.readouterr().out


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.stress)])
def test_runs_that_begin_together_take_each_row_once(tmp_path, rounds, capsys):
    """Both succeed when one comes after the other; else one is refused, and says so."""
    root, undisturbed = [write_repository(tmp_path / name) for name in ("met", "undisturbed")]
    refused = 0
    with Worker() as one, Worker() as other:
        for number in range(1, rounds + 1):
            for worker in (one, other):
                worker.begin("materialize", "-C", str(root))
            ended = [worker.end() for worker in (one, other)]
            codes = sorted(code for code, _ in ended)
            assert codes in ([0, 0], [0, 75]), ended
            assert all("run it again" in said for code, said in ended if code == 75), ended
            refused += codes[1] == 75
            assert materialize(root) == materialize(undisturbed) == 0
            check_equal(root, undisturbed)
            for place in (root, undisturbed):
                write_orders(place, number)
    with capsys.disabled():
        print(f"\n{refused} of {rounds} pairs of runs met")  # noqa: T201  # for who runs it with -s
