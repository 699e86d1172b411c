"""Links between pages lead somewhere, and pages speak of the project alone."""

import re

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, name_of

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ELSEWHERE = re.compile(r"(?<![\w.-])/(?:work|root|tmp|home)\b")


def prose(page):
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors of a page's headings, made as code hosts make them."""
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page))]
    return {word.strip().replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_to_files_and_headings(page):
    broken = []
    for target in LINK.findall(prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_the_map_of_the_docs():
    linked = {(DOCS / path.partition("#")[0]).resolve() for path in LINK.findall(prose(DOCS / "index.md"))}
    assert [name_of(p) for p in DOCS.rglob("*.md") if p.resolve() not in linked and p.name != "index.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_no_folder_of_one_machine(page):
    assert ELSEWHERE.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_of_prose_fit_the_screen(page):
    assert [line for line in prose(page).splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_readme_is_found_by_the_package():
    assert 'readme = "README.md"' in (ROOT / "pyproject.toml").read_text()
