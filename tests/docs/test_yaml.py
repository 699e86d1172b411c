"""The YAML of the pages is read by the reader that reads repositories."""

import re

import pytest

from featurectl.language.load import load_repo
from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import File
from featurectl.language.syntax.reader import read_nodes
from tests.docs.pages import DOCS, PAGES, name_of, read_blocks

BLOCKS = [
    (page, block)
    for page in PAGES
    for block in read_blocks(page)
    if block.language == "yaml" and not (block.note("file") or "").startswith(".")  # hidden: read by others
]
IDS = [f"{name_of(page)}:{block.line}" for page, block in BLOCKS]
PROJECT = """
project: docs
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
"""
WRITTEN = re.compile("FC[01]")  # what a file says by itself
ELSEWHERE = re.compile("FC2")  # names that stand elsewhere: what is said with them can't be judged


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=IDS)
def test_yaml_of_a_page_is_a_file_of_a_repository(page, block, tmp_path):
    report = Report()
    assert read_nodes(File(name_of(page), block.text), report) is not None
    if block.note("fragment") is None:
        project = block.text if block.text.lstrip("# \n").find("project:") >= 0 else PROJECT
        (tmp_path / "featurectl.yaml").write_text(project)
        if project is PROJECT:
            (tmp_path / "page.yaml").write_text(block.text)
        found = [p for p in load_repo(tmp_path, None).problems if p.severity == "error"]
        is_whole = not any(ELSEWHERE.match(p.code) for p in found)
        report.problems.extend(p for p in found if is_whole or WRITTEN.match(p.code))
    assert [(p.place, p.message) for p in report.problems] == []


def test_the_example_of_the_language_is_a_repository_without_errors(tmp_path):
    page = DOCS / "reference" / "language.md"
    first, second = (block for block in read_blocks(page) if block.language == "yaml")
    (tmp_path / "featurectl.yaml").write_text(first.text)
    (tmp_path / "all.yaml").write_text(second.text)
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "routes.py").write_text("def block_times(arrivals):\n    return arrivals\n")
    repo = load_repo(tmp_path, None)
    assert [str(p) for p in repo.problems if p.severity == "error"] == []
    assert repo.pipelines
    assert repo.deployments
