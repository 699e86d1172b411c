"""Random models of every library are converted, and a leaf that was moved is seen."""

from collections import Counter

import pytest

from benchmarks.conversion import LIBRARIES, _try
from tests.seeds import seeds_from

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of the libraries
TREES = [name for name in LIBRARIES if name != "others"]


def counted(library, seeds):
    """What became of random models, and how far their two forms are apart."""
    found, told = Counter(), []
    apart = max(_try(library, seed, found, told) for seed in seeds)
    assert found["refused"] == 0, told
    return found, apart


@pytest.mark.parametrize("library", TREES)
def test_random_models_are_converted_and_a_moved_leaf_is_seen(library):
    found, apart = counted(library, range(40, 43))
    assert apart < 1e-6
    assert found["changed leaves"] >= 2
    assert found["changed leaves not found"] == 0


@pytest.mark.stress
@pytest.mark.parametrize("library", TREES)
def test_many_random_models_are_converted(library):
    found, apart = counted(library, seeds_from(0, 300))
    assert apart < 1e-6
    assert found["changed leaves not found"] < 0.05 * found["changed leaves"]  # where a sigmoid hides them
