"""A view is bound to one version of its table, whoever writes another meanwhile."""

from dataclasses import dataclass, field, replace

import pytest

from featurectl.engines.base import FrameScan, Piece
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.json_form import dump_definition
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore, ViewTable
from featurectl.offline.inputs import input_marks, rows_mark
from featurectl.operations.materialize.table_increment import new_id
from featurectl.operations.views import bind_view
from featurectl.registry.state import ObjectVersion
from tests.definitions import LATEST
from tests.engines.rows import at, rows

MARKED = Coverage(rows_mark=rows_mark(LATEST), inputs=input_marks(LATEST), columns=LATEST.source.columns)  # type: ignore[arg-type]
REGISTERED = ObjectVersion(
    kind="feature_view", name="latest", version=1, definition=dump_definition(LATEST), current=True
)  # fmt: skip


def prepared(*given):
    return (
        PolarsEngine(1 << 20, 1).prepare([Piece(scan=FrameScan(rows=rows(*given).lazy()), until=at(99))], LATEST).rows
    )


@dataclass(kw_only=True)
class Busy(ViewTable):
    """A table to which others commit once its newest version was opened."""

    commits: list = field(default_factory=list)

    def _commit_of(self, table, version=None):
        while self.commits:
            DeltaStore.table(self.store, "latest", 1, {"carrier": "string"}).append(*self.commits.pop())
        return super()._commit_of(table, version)


@pytest.fixture
def store(tmp_path):
    store = DeltaStore(str(tmp_path), "p")
    store.table("latest", 1, {"carrier": "string"}).replace(prepared(("A", 1.0, 1, 1)), replace(MARKED, inputs={}))
    return store


def test_a_version_is_bound_with_its_own_coverage(store):
    plain = store.table("latest", 1, {"carrier": "string"})
    busy = Busy(store=store, location=plain.location, shown="t", rebuild_hint="", keys=("carrier",))
    busy.commits = [(prepared(("B", 2.0, 2, 2)), replace(MARKED, rebuild_id=new_id()))]
    version, coverage = busy.newest()
    assert (version, coverage.inputs) == (0, {})
    busy.commits = [(prepared(("C", 2.0, 2, 2)), replace(MARKED, inputs={}))]

    class Store:
        def table(self, view, version, keys, entity):  # noqa: ARG002  # of the protocol
            return busy

    bound = bind_view(Store(), REGISTERED)
    assert (bound.table_version, bound.lacking) == (1, frozenset())


def test_a_bound_view_tells_how_many_rows_its_own_version_has(store):
    table = store.table("latest", 1, {"carrier": "string"})
    table.append(prepared(("B", 2.0, 2, 2)), MARKED)
    bound = bind_view(store, REGISTERED)
    table.append(prepared(("C", 2.0, 2, 2), ("D", 2.0, 2, 2)), MARKED)
    assert bound.pruned(["arr_delay"]).rows == 2
