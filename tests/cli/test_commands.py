"""The table of commands, and how a function becomes one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

from featurectl.cli import commands
from featurectl.cli.all_commands import COMMANDS, GROUPS, build_parser, load_command
from featurectl.cli.all_examples import EXAMPLES
from featurectl.cli.command_decorator import Command, add_command, verb
from featurectl.cli.main import main
from featurectl.cli.shared.call import Call, Outcome

FOLDER = Path(commands.__file__).parent


@pytest.mark.parametrize("name", COMMANDS)
def test_a_name_of_the_table_is_a_command_with_a_help(name):
    command = load_command(name)
    assert isinstance(command, Command)
    assert command.function.__doc__


def test_each_module_of_a_command_is_in_the_table():
    files = [path for path in FOLDER.rglob("*.py") if path.name != "__init__.py"]
    modules = {path.relative_to(FOLDER).with_suffix("").as_posix().replace("/", ".") for path in files}
    assert {place.partition(":")[0] for place in COMMANDS.values()} == modules


def test_a_group_has_a_help_and_commands_and_no_other_group_has():
    groups = {name.rpartition(" ")[0] for name in COMMANDS} - {""}
    assert groups | {name.rpartition(" ")[0] for name in groups} - {""} == set(GROUPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Two options."""

    width: Annotated[int, typer.Option(help="How wide.")]
    height: Annotated[int, typer.Option(help="How high.")] = 2


@verb()
def draw(
    call: Call,
    name: Annotated[str, typer.Argument(help="What.")],
    size: Size,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Or flat.")] = False,
) -> Outcome:
    """Draw a thing."""
    return Outcome(text=f"{call.command} {name} {size.width} {size.height} {deep}")


def parsed(*words):
    app = typer.Typer()
    add_command(app, "draw", draw)
    return typer.main.get_command(app).main(list(words), standalone_mode=False)


def test_a_dataclass_of_options_stands_for_its_fields():
    invocation = parsed("box", "--width", "3", "--deep", "-q")
    assert invocation.call.quiet
    assert invocation.run().text == "draw box 3 2 True"


def test_options_stand_in_the_order_of_parameters_and_fields():
    app = typer.Typer()
    add_command(app, "draw", draw)
    names = [parameter.name for parameter in typer.main.get_command(app).params]
    assert names[:4] == ["name", "width", "height", "deep"]
    assert names[4] == "repo"


def test_a_field_without_a_default_is_a_required_option():
    with pytest.raises(typer.exceptions.TyperException, match="width"):
        parsed("box")


def every_example():
    return [(name, example) for name, examples in EXAMPLES.items() for example in examples]


@pytest.mark.parametrize(("name", "example"), every_example())
def test_an_example_of_a_help_is_a_line_of_its_command(name, example):
    words = shlex.split(example)
    invocation = build_parser(words)(words, standalone_mode=False)
    assert invocation.call.command == name
    assert len(f"    featurectl {example}") <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_has_examples_and_its_lines_fit(name, capsys):
    assert EXAMPLES[name]
    assert main([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith("\n".join(f"    featurectl {example}" for example in EXAMPLES[name]))
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_no_sentence_of_a_list_of_commands_is_cut(group, capsys):
    assert main([*group.split(), "--help"]) == 0
    commands = capsys.readouterr().out.partition("Commands:")[2]
    assert commands
    assert "..." not in commands
