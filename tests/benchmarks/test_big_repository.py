import pytest

from benchmarks.big_repository import write_repository
from featurectl.workspace.open import load_checked

pytestmark = pytest.mark.long  # of programs that measure, not of the package


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    roots = [tmp_path_factory.mktemp(name) / "big" for name in ("many", "one")]
    for root, one_file in zip(roots, (False, True), strict=True):
        write_repository(root, one_file=one_file)
    return [load_checked(root) for root in roots]


def test_each_of_200_views_has_20_features_a_where_and_an_expression(repositories):
    views = repositories[0].views.values()
    assert len(views) == 200
    assert {len(view.features) + len(view.derived) for view in views} == {20}
    assert all(view.where is not None and view.derived for view in views)
    assert {view.kind for view in views} == {"event", "state"}


def test_no_two_views_have_the_same_where(repositories):
    assert len({view.where.text for view in repositories[0].views.values()}) == 200


def test_one_file_declares_what_many_files_do(repositories):
    many, one = repositories
    assert len(many.files) == 204
    assert len(one.files) == 2
    assert (many.entities, many.sources, many.views, many.models) == (one.entities, one.sources, one.views, one.models)
