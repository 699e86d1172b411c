"""Formats of models are tables: what reads one of each, and what an unknown one is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.models.all_model_formats import FORMATS_BY_FLAVOR, FORMATS_BY_SUFFIX, MODEL_FORMATS, format_of_file
from featurectl.models.isolation import content
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import ONNX


def test_every_format_of_a_file_has_a_library_words_and_a_reader():
    formats = set(FORMATS_BY_SUFFIX.values())
    assert formats == set(MODEL_FORMATS) == {*content._DESCRIBED, ONNX}  # noqa: SLF001  # its rows


def test_a_suffix_and_a_flavor_are_of_one_format_each():
    formats = MODEL_FORMATS.values()
    assert len(FORMATS_BY_SUFFIX) == sum(len(item.suffixes + item.foreign_suffixes) for item in formats)
    assert len(FORMATS_BY_FLAVOR) == sum(bool(item.flavor) for item in formats)


def test_an_unknown_suffix_is_an_error_that_lists_those_that_are():
    with pytest.raises(UsageError, match=r"m\.h5: what format is it\?") as caught:
        format_of_file(Path("m.h5"))
    assert caught.value.hint == "names end in " + ", ".join(FORMATS_BY_SUFFIX)


def test_an_unknown_format_of_a_stored_model_is_an_error():
    with pytest.raises(DataError, match="a model of format 'h5' can't be read by this version"):
        load_runtime("h5", b"", allow_pickle=True)
