"""Arguments of other types than a method takes: errors of ours, in Python's words, and never raw ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import featurectl
from featurectl.api.project import PARTS
from featurectl.errors import CheckFailedError, FeaturectlError, ProblemsError, UsageError

VALUES: tuple[object, ...] = (None, 4, [], {}, "a\0b")
GIVEN = {
    "model": "big", "name": "big@1", "first": "big@1", "second": "big@1", "view": "spend", "text": "spend",
    "env": "dev", "file": "gone.onnx", "folder": "out", "lock_id": "x", "notifier": "ops", "alert": "old_spend",
    "for_": "1h", "silence_id": "x", "remove": (), "from_version": None,
}  # fmt: skip
LONG = {
    "train", "score", "materialize", "verify_store", "clean", "test", "training_set", "apply", "push",
}  # fmt: skip  # with what is right


def methods() -> Iterator[tuple[str, str]]:
    parts = (("", featurectl.Project), *PARTS.items())
    for prefix, kind in parts:
        for name in dir(kind):
            if inspect.isfunction(getattr(kind, name)) and not name.startswith("_"):
                yield prefix, name


def method_of(project: featurectl.Project, prefix: str, name: str):
    holder = project
    for part in prefix.split(".")[:-1]:
        holder = getattr(holder, part)
    return getattr(holder, name)


def takes(parameter: inspect.Parameter, value: object) -> bool:
    """Whether a value is right, and what the method does with it is another test's matter."""
    parts = str(parameter.annotation).split(" | ")
    return (value is None and "None" in parts) or "bool" in parts or (value == 4 and bool({"int", "float"} & {*parts}))


@pytest.mark.parametrize(("prefix", "name"), list(methods()))
@pytest.mark.usefixtures("shared_project")
def test_no_argument_of_another_type_ends_in_a_raw_error(shared_root, prefix, name):
    method = method_of(featurectl.open_project(shared_root), prefix, name)
    parameters = inspect.signature(method).parameters
    needed = [key for key, item in parameters.items() if item.default is item.empty and item.kind < item.VAR_KEYWORD]
    for key, item in parameters.items():
        if item.kind == item.VAR_KEYWORD or (prefix, name) == ("", "workspace"):
            continue
        for value in VALUES:
            if takes(item, value) or (name in LONG and value in ([], {})):
                continue
            named = {other: GIVEN[other] for other in needed if other not in (key, "names")}
            words = (value,) if item.kind == item.VAR_POSITIONAL else ()
            with suppress(FeaturectlError):
                method(*words, **named, **({} if words else {key: value}))


def test_entities_that_name_no_key_are_told_how_keys_are_written(shared_project):
    for given, shown in ((4, '{"customer": 4}'), ("c1", "{\"customer\": 'c1'}"), ([1, 2], '{"customer": [1, 2]}')):
        with pytest.raises(UsageError) as caught:
            shared_project.get("spend", given)
        assert shown in caught.value.hint
    with pytest.raises(UsageError, match=r"view=None is no text"):
        shared_project.get(None, {"customer": 4})


def test_a_folder_with_errors_opens_and_its_validate_shows_them(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(
        "project: p\nenvironments: {dev: {registry: sqlite:///r.db, offline: o, online: sqlite:///on.db}}\n"
    )
    project = featurectl.open_project(tmp_path)
    assert "nothing is declared yet" in repr(project.validate())
    (tmp_path / "views.yaml").write_text("feature_views: [{nam: x}]")
    assert [problem.code for problem in project.validate()] == ["FC102", "FC103"]
    for call in (project.plan, project.apply):
        with pytest.raises(ProblemsError) as caught:
            call()
        assert "project.validate()" in caught.value.hint
    with pytest.raises(CheckFailedError):
        project.list()
    (tmp_path / "featurectl.yaml").write_text("projct: p\n")
    assert "FC102" in [problem.code for problem in featurectl.open_project(tmp_path).validate()]


def test_a_path_with_a_nul_is_an_error_of_its_argument(shared_project: featurectl.Project):
    with pytest.raises(UsageError, match="folder="):
        shared_project.models.export("big@1", Path("a\0b"))


@pytest.mark.usefixtures("shared_project")
def test_an_argument_that_there_is_not_is_told_by_the_name_of_the_method(shared_root):
    project = featurectl.open_project(shared_root)
    told = r"^project\.train\(\) got an unexpected keyword argument 'from_versions'; did you mean \"from_version\"\?$"
    with pytest.raises(TypeError, match=told):
        project.train("big", from_versions=1)
    with pytest.raises(TypeError, match=r"^project\.models\.diff\(\) missing a required argument: 'second'$"):
        project.models.diff("big@1")
    with pytest.raises(TypeError, match=r"^open_project\(\) got an unexpected keyword argument 'zzz'$"):
        featurectl.open_project(shared_root, zzz=1)
