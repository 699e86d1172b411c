"""What is told of a file shows no password, wherever in the file it stands."""

import pytest

from tests.language.repository import PROJECT, load

LOCATION = "postgresql://ana:hunter2@host/db"
HIDDEN = "postgresql://ana:*******@host/db"


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (f"    now: {LOCATION}\n", "FC104", f'"{HIDDEN}" is not an instant; write it like 2014-01-01T12:00:00Z'),
        (f"  {LOCATION}:\n", "FC105", f'"{HIDDEN}" is no name: lower-case letters, digits and _, a letter first'),
    ],
)
def test_a_password_is_in_no_message_and_in_no_suggestion(tmp_path, line, code, message):
    environment = "    registry: sqlite:///r.db\n    offline: off\n    online: sqlite:///o.db\n"
    project = f"project: flights\nenvironments:\n  dev:\n{environment}{line}"
    repo = load(tmp_path, {"featurectl.yaml": project})
    assert (code, message) in [(problem.code, problem.message) for problem in repo.problems]
    assert not any("hunter2" in str(problem) for problem in repo.problems)


def test_the_suggestions_of_other_problems_stay(tmp_path):
    (problem,) = (
        p for p in load(tmp_path, {"featurectl.yaml": PROJECT + "fiels: [x.yaml]\n"}).problems if p.code == "FC102"
    )
    assert problem.suggestion == 'did you mean "files"?'
