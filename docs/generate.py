"""What is made from the code: reference pages of commands, problems and keys, and the table of the command line.

python docs/generate.py        (or `make docs`; a test fails when a committed page differs)
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import typer


from featurectl.api.project import PARTS, Project
from featurectl.cli.all_commands import build_app, load_command
from featurectl.cli.command_decorator import COLORS
from featurectl.language.problems.codes import CODES
from featurectl.language.json_schema import file_schema, project_schema

REFERENCE = Path(__file__).parent / "reference"
COMMAND_TABLE = Path(__file__).parents[1] / "featurectl" / "language" / "commands" / "table.json"
TYPES = {"int": "int", "float": "float"}  # of values; all others are texts
COMMON = ("repo", "env", "output", "color", "quiet", "verbose", "debug", "clock")
PLAIN_OUTPUT = "text or json."
ANY_OUTPUT = "text or json, or one of the forms that the command lists. Default: `text`."
VALUES = {"<str>": "TEXT", "<path>": "FILE", "<float>": "NUMBER", "<int>": "NUMBER", "<int range>": "NUMBER"}
FAMILIES = {
    "0": "YAML",
    "1": "Shape: keys and values",
    "2": "References",
    "3": "Semantics: columns, types, clocks",
    "4": "Plan",
    "5": "Data",
    "6": "Stores",
}
CLI_HEAD = """# The command line

<!-- Made by docs/generate.py from the command tree; edit the commands, not this page. -->

Commands act on the repository of `--repo`, else on that of this folder, else on the nearest above it: the folder that
holds `featurectl.yaml`. `featurectl help COMMAND` and `featurectl COMMAND --help` say the same as this page. Options
stand after the command; those [of every command](#options-of-every-command) also before it:
`featurectl -C shop --env prod plan`. `featurectl --version` prints the version alone.

## Exit codes

| code | means |
|---|---|
| 0 | done, or nothing to do |
| 1 | it ran and found problems: invalid files or data, a failed test, a stale view, a blocked plan, nothing applied |
| 2 | `plan --detailed-exitcode` alone: valid, and there are changes |
| 64 | wrong usage: an unknown name or option, an output that can't be written, an environment variable that is not set, a question without a terminal |
| 69 | a store or database can't be reached, is full or read-only; the disk of an output is full |
| 70 | a fault of featurectl; the details are in `.featurectl/crash-*.log` |
| 75 | try again: another command holds the lock or the store, or has changed the registry or the table meanwhile |
| 130 | interrupted |
| 143, 129 | a run of a pipeline was ended by SIGTERM, or with its terminal |

A command that goes on with other views after one has failed (`materialize`) exits with the code of the gravest failure:
69, then 64, 1, 75.

## Output

The result goes to stdout; progress, warnings, problems and errors go to stderr. `-o` chooses the form of the result,
which then holds the problems, too:

| form | |
|---|---|
| `text` | for people; the default |
| `concise` | a line for each problem |
| `json` | one document, whatever else is asked for |
| `github` | annotations for a workflow of GitHub, at most 9 and how many more there are, and a table in `$GITHUB_STEP_SUMMARY` |
| `markdown` | for a comment or a summary; problems stand in it as a block of code, which nothing in them ends |
| `sarif` | SARIF 2.1.0 for code scanning, with a rule for each code that occurs |
| `junit` | JUnit XML for the test reports of CI systems: of `validate` a case for each file, of `test` one for each test |

```json
{"schema_version": 2, "command": "models list", "ok": true, "exit_code": 0, "problems": [], "result": {}}
```

`schema_version` is raised when something of a document changes its name, its type or its meaning; what is new comes
without. Of version 2 are the whole name of the `command` (`models list`, which was `list`) and keys of entities in the
type that they are declared with (`{"user": 7}`, which was `{"user": "7"}`).

Whatever a name or a value of data holds, it stays in its line of a log and steers nothing: control characters and
newlines are shown as escapes like `\\x1b` and `\\n`, and so are commands of CI (`::error::` where a line begins,
`##[...]`).

In `github` and `sarif` paths begin at the top of the checkout, the nearest folder with a `.git`; everywhere else they
are relative to the folder that the command was called from.

## Options of every command

"""
PROBLEMS_HEAD = """# Problems and errors

<!-- Made by docs/generate.py from featurectl/language/problems/codes.py; edit that file, not this page. -->

`featurectl explain FC301` prints what stands here. A number never changes its meaning. Codes of the forms FC35x and
FC36x are warnings: they don't stop anything.
"""
KEYS_HEAD = """# All keys

<!-- Made by docs/generate.py from the shapes in featurectl/language/shapes/; edit those, not this page. -->

Every key of the [repository language](language.md), object by object, with the text that [editors](../how-to/editor.md)
show. **Bold** keys are required. There are no others: an unknown key is an error. The end of the
language's page lists what is [checked, but not run](language.md#read-and-checked-but-not-run-in-this-version).
"""


LEFT_OUT = ("workspace", "open_progress")
PROJECT_HEAD = """# A project in Python

<!-- Made by docs/generate.py from featurectl/api; edit the docstrings, not this page. -->

`featurectl.open_project(repo=None, env=None, as_of=None, *, frames="polars", progress=None)` returns the project of the
repository in the folder `repo`; without it, of this folder or the nearest parent that is one. `env` names an
environment, the first by default. `as_of` is the instant to take as now: a `datetime` with a time zone, or a text such
as `2026-01-08T00:00:00Z`. Every call of the project reads the registry anew, so it sees what was applied meanwhile.

Frames of pandas, Polars and PyArrow are taken everywhere, and the result is a frame of the same kind; of pandas it has
the index of the frame that was given, whose named levels count as columns. Where no frame is given, `frames` says which
kind comes back: `polars`, `pandas` or `arrow`. The last two need `pip install 'featurectl[pandas]'`.

Columns of a frame that nobody computes come back as they went in, with their types: categories with their order,
`Int64`, `string`, Arrow-backed columns, time zones. What is computed, features and labels, has the types of numpy in
pandas: `int64`, `float64` (null is NaN), `bool`, `str`, `datetime64[us, UTC]`; whole numbers and truths of which some
are null have `Int64` and `boolean`, for numpy's types would make other values of them.

`training_set` and `score` return `rows` with the `manifest` that says what they were made of. A training set has
`inputs` and `label` besides, and `xy()` returns both as `fit(X, y)` takes them, without the rows that have no label:
`X, y = project.training_set("late").xy()`, or `.xy("late")` where the label is a column of your own spine.

Methods that return many things return a table: a sequence of typed objects that a notebook draws, with `to_polars()`,
`to_pandas()` and `to_arrow()`, whose columns are named as in `-o json` of the command. Methods that return one thing
return an object with fields. Printed, either reads as the command prints it, one thing at the terminal's width or 100
columns, and an object of a table as its fields, by their names; it has the columns of the table, too. A notebook draws
the tables. Progress is drawn in a
notebook; `progress=True` logs it elsewhere, by the logger `featurectl`.

Errors are those of `featurectl.errors`. They, warnings and what is printed of results name arguments and methods where
a command would name options and commands; what has no method is named as a command. `str(error)` is the message, what
to do, and of wrong files the first ten problems; `error.message`, `error.hint` and `error.problems` are these apart.
One that ends a cell of a notebook is shown in these lines alone. A folder whose files have errors opens all the same:
`project.validate()` shows them.
"""


NO_METHOD = {
    "init": "it writes the files of a new repository, before there is a project",
    "serve": "a process of its own",
    "pipeline run": "a process of its own: each stage is one, too",
    "pipeline list": "`featurectl pipeline list -o json`",
    "pipeline show": "`featurectl pipeline show NAME -o json`",
    "monitor run": "a process of its own; `project.alerts.check()` is one look of it",
    "monitor export": "it answers Prometheus, or writes a file for it",
    "monitor rules": "it writes files for Prometheus and Grafana",
    "pipeline render": "it writes files for a scheduler",
    "deployment render": "it writes files for what runs deployments",
    "schema": "it writes files for editors",
    "explain": "it prints what the documentation says of a code, which is `error.code`",
    "stream run": "a process of its own",
    "stream rebuild": "goes on beside workers, or without any",
    "stream reset": "is for whoever runs the brokers",
    "stream send": "a client of the broker sends events, in any language",
    "stream status": "what is read has its instant, `computed_us`; a worker's `/metrics` have the rest",
    "version": "`featurectl.__version__`",
}
# Options of commands that have a method, which has no argument of that name; without a command: of all.
NO_ARGUMENT = {
    "--memory": "the environment's `memory` is taken",
    "--html": "`_repr_html_()` of a result is its page",
    "plan --out": "a saved plan is of a pipeline, in which one run applies what was reviewed of another",
    "plan --detailed-exitcode": "`len(project.plan())`",
    "plan --explain": "the reasons of each change are in `plan()`",
    "plan --write-allow": "of a pipeline, as `plan --out`",
    "plan --check-sources": "of a pipeline: `materialize()` tells the same when it reads a source",
    "apply --auto-approve": "nothing is asked",
    "apply --lock-timeout": "`lock_timeout_s`",
    "training-set --out": "the rows are a frame, beside which the manifest stands",
    "score --out": "the scores are a frame, beside which the manifest stands",
    "score --run-id": "as `score --part`",
    "score --part": "a frame that is returned has no parts",
    "score --restart": "nothing is left of scores in memory that were not finished",
    "show --sample-keys": "`keys`",
    "status --watch": "a loop",
    "status --checks": "`project.checks()`",
    "verify --store": "`project.verify_store()`",
    "verify --until": "the command alone",
    "verify --sample": "`entities` of `verify_store()`; of the log the command alone",
    "verify --all": "`entities=None` of `verify_store()`; of the log the command alone",
    "verify --tolerance": "the command alone",
    "models show --card": "`project.models.card()`",
    "models promote --to": "`project.models.promote_to()`",
    "models import --mlflow": "the command alone",
    "monitor silence --list": "`project.alerts.silences()`",
    "monitor silence --end": "`project.alerts.end_silence()`",
    "monitor drift --served": "without `batch`",
    "monitor drift --limit": "the distances are in the rows; limits are the command's alone",
    "monitor drift --allow-pickle": "the command alone",
}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8", newline="\n")
    COMMAND_TABLE.write_text(command_table(), encoding="utf-8", newline="\n")


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    return {
        "cli.md": cli_page(),
        "keys.md": keys_page(),
        "problems.md": problems_page(),
        "python-project.md": project_page(),
    }


def command_table() -> str:
    """Return the table of commands that files are checked with: a line for each command."""
    parts = commands(typer.main.get_command(build_app()))
    lines = [
        f"{json.dumps(name)}: {json.dumps(command_form(command, load_command(name).outputs))}"
        for name, command in parts
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def command_form(command: object, outputs: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """Return what a command takes, as the table has it; without --help, which does something else."""
    form = {"arguments": [], "options": []}
    for param in command.params:
        value = TYPES.get(getattr(param.type_descriptor.annotation, "__name__", ""), "text")
        if param.param_type_name == "argument":
            many = param.nargs == -1
            form["arguments"].append({"name": called(param), "value": value, "required": param.required, "many": many})
            continue
        if param.hidden:
            continue
        flags, off = list(param.opts), list(param.secondary_opts)
        for some in filter(None, (flags, off)):
            taken = None if param.is_flag else value
            option = {"flags": some, "value": taken, "required": param.required}
            choices = {"output": outputs, "color": COLORS}.get(param.name, ())
            option |= {"choices": list(choices)} if choices else {}
            bounds = {"least": getattr(param, "min", None), "most": getattr(param, "max", None)}
            option |= {name: bound for name, bound in bounds.items() if bound is not None}
            form["options"].append(option)
    return form


def cli_page() -> str:
    """Return the page of the command line."""
    parts = list(commands(typer.main.get_command(build_app())))
    first = parts[0][1]
    params = [param for param in first.params if param.name in COMMON]
    shown = [param for param in params if not param.hidden]
    rows = [(row(p, first)[0], ANY_OUTPUT) if p.name == "output" else row(p, first) for p in shown]
    common = table("option", rows)
    text = CLI_HEAD + common + "\n\n## The commands\n\n"
    text += "\n".join(f"- [`{name}`](#{anchor(name)}): {summary(command)}" for name, command in parts) + "\n"
    return text + "".join(section(name, command) for name, command in parts)


def commands(group: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each command with its name, those of a group with the group's before it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def anchor(name: str) -> str:
    """Return the anchor of a command's heading."""
    return f"featurectl-{name}".replace(" ", "-")


def summary(command: object) -> str:
    """Return the first sentence of a command's help."""
    return paragraphs(command.help)[0].split(". ")[0].rstrip(".") + "."


def section(name: str, command: object) -> str:
    """Return a command's part of the page."""
    common = {*COMMON, "help"} - {p.name for p in command.params if p.name == "output" and p.help != PLAIN_OUTPUT}
    own = [param for param in command.params if param.name not in common]
    arguments = [row(param, command) for param in own if param.param_type_name == "argument"]
    options = [row(param, command) for param in own if param.param_type_name == "option" and not param.hidden]
    words = [word(param) for param in own if param.param_type_name == "argument"]
    usage = " ".join(["featurectl", name, *words, "[OPTIONS]"])
    text = f"\n## `featurectl {name}`\n\n```text\n{usage}\n```\n\n" + "\n\n".join(paragraphs(command.help)) + "\n"
    for title, rows in (("argument", arguments), ("option", options)):
        text += f"\n{table(title, rows)}\n" if rows else ""
    examples = [line.strip() for line in (command.epilog or "").splitlines()[2:]]
    return text + ("\n```text\n" + "\n".join(examples) + "\n```\n" if examples else "")


def word(param: object) -> str:
    """Return an argument as it stands in the usage line."""
    name = called(param) if param.required else f"[{called(param)}]"
    return f"{name}..." if param.nargs == -1 else name


def called(param: object) -> str:
    """Return an argument's name as the help shows it."""
    return param.metavar or param.name.upper()


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a help text, each filled."""
    return [textwrap.fill(part, 118) for part in textwrap.dedent(text).strip().split("\n\n")]


def row(param: object, command: object) -> tuple[str, str]:
    """Return the two cells of a parameter."""
    if param.param_type_name == "argument":
        return f"`{called(param)}`", help_of(param)
    left, _ = param.get_help_record(typer.Context(command))
    for shown, name in VALUES.items():
        left = left.replace(shown, name)
    return f"`{left}`", help_of(param)


def help_of(param: object) -> str:
    """Return a parameter's help with its default where that says something."""
    told = param.default if isinstance(param.default, str | int | float) and not isinstance(param.default, bool) else ""
    return f"{param.help} Default: `{told}`." if told != "" else param.help


def table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of two columns."""
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)])


def problems_page() -> str:
    """Return the page of the problem codes."""
    text = PROBLEMS_HEAD
    for family, title in FAMILIES.items():
        text += f"\n## {title}\n"
        for name, code in sorted(CODES.items()):
            if name[2] == family:
                text += f"\n### {name}: {code.title}\n\n{textwrap.fill(code.text, 118)}\n"
    return text


def keys_page() -> str:
    """Return the page of all keys, from the schemas that editors have."""
    project, files = project_schema(), file_schema()
    definitions = project["definitions"] | files["definitions"]
    text = KEYS_HEAD + object_section("featurectl.yaml", project)
    for name in ("Environment", *(n for n in project["definitions"] if n != "Environment")):
        text += object_section(definitions[name]["title"], definitions[name])
    text += f"\n## Lists\n\n{textwrap.fill(files['description'], 118)}\n\n| list | holds |\n|---|---|\n"
    tops = {key: item["items"]["$ref"].rpartition("/")[2] for key, item in files["properties"].items()}
    for key, name in tops.items():
        made = definitions[name]
        text += f"| `{key}` | [{made['title']}](#{heading_anchor(made['title'])}): {cell(made['description'])} |\n"
    for name in (*tops.values(), *(n for n in files["definitions"] if n not in tops.values())):
        text += object_section(definitions[name]["title"], definitions[name])
    return text


def project_page() -> str:
    """Return the page of the methods of a project, from their signatures and docstrings."""
    kinds = {"": Project, **PARTS}
    sections = (
        method_section(f"project.{prefix}".rstrip("."), name, function)
        for prefix, kind in kinds.items()
        for name, function in methods(kind)
    )
    return PROJECT_HEAD + "".join(sections) + without_method()


def without_method() -> str:
    """Return the tables of what the command line alone has, and why."""
    text = "\n## Commands that have no method\n\n" + table("command", [(f"`{k}`", v) for k, v in NO_METHOD.items()])
    text += "\n\n## Options that no argument is called like\n\n"
    return text + table("option", [(f"`{name}`", why) for name, why in NO_ARGUMENT.items()]) + "\n"


def methods(cls: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the public methods of a class and its bases, those of one base together, in the order of their lines."""
    for base in (*cls.__bases__, cls):
        for name, function in vars(base).items():
            if not name.startswith("_") and inspect.isfunction(function) and name not in LEFT_OUT:
                yield name, function


def method_section(prefix: str, name: str, function: Callable[..., object]) -> str:
    """Return a method's part of the page."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    shown = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])
    said, _, raised = inspect.cleandoc(function.__doc__ or "").partition("\nRaises:\n")
    call = textwrap.fill(f"{prefix}.{name}{shown}", 100, subsequent_indent="    ", break_on_hyphens=False)
    text = f"\n## `{prefix}.{name}`\n\n```python\n{call}\n```\n\n{filled(said)}\n"
    if raised:
        text += "\n" + "\n".join(f"- {filled(line)}" for line in textwrap.dedent(raised).splitlines()) + "\n"
    return text


def filled(text: str) -> str:
    """Return paragraphs in lines of one length."""
    blocks = [
        textwrap.fill(" ".join(block.split()), 118, break_on_hyphens=False) for block in text.strip().split("\n\n")
    ]
    return "\n\n".join(blocks)


def heading_anchor(title: str) -> str:
    """Return the anchor of an object's heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def object_section(title: str, schema: Mapping[str, object]) -> str:
    """Return the part of one object: what it is, and its keys, the required ones in bold."""
    text = f"\n## {title}\n\n{textwrap.fill(schema['description'], 118)}\n\n| key | |\n|---|---|\n"
    for key, value in schema["properties"].items():
        shown = f"**`{key}`**" if key in schema.get("required", ()) else f"`{key}`"
        words = value.get("enum") or value.get("items", {}).get("enum") or ()
        known = [word for word in words if isinstance(word, str)]
        more = f" One of: {' '.join(f'`{word}`' for word in known)}." if known else ""
        text += f"| {shown} | {cell(value['description'])}{more} |\n"
    return text


def cell(text: str) -> str:
    """Return a text as it stands in a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
