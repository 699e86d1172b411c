"""Command lines in files are read as the real command line reads them."""

from __future__ import annotations

import random
import shlex

import pytest
from typer.exceptions import TyperException

from featurectl.cli.all_commands import COMMANDS, build_parser
from featurectl.cli.shared.call import Invocation
from featurectl.core.errors import UsageError
from featurectl.language.commands.forms import CommandForm, command_forms
from featurectl.language.commands.read import ReadCommand, WrongCommandError, read_command, split_words

VALUES = {"text": ["a", "x y", "2013-01-01", "3", "-"], "int": ["3", "0", "-2", "70000"], "float": ["0.5", "7", "1e3"]}
WRONG = {"text": ["a"], "int": ["x", "1.5"], "float": ["x", "1..2"]}


def takes(words: list[str]) -> bool:
    """Return whether the real command line takes these words."""
    try:
        parsed = build_parser(words)(words, standalone_mode=False)
    except (TyperException, UsageError):
        return False
    return isinstance(parsed, Invocation)


def made_line(form: CommandForm, chance: random.Random) -> list[str]:
    """Return a command line of a command, with a mistake now and then."""
    words: list[str] = []
    for argument in form.arguments:
        count = chance.choice([0, 1, 2]) if argument.many else chance.choice([0, 1, 1, 1])
        words += [chance.choice(VALUES[argument.value]) for _ in range(count)]
    flags = list(form.options)
    for flag in chance.sample(flags, chance.randrange(min(4, len(flags)))):
        value = form.options[flag].value
        values = [*form.options[flag].choices, "x"] if form.options[flag].choices else VALUES[value or "text"]
        chosen = chance.choice(WRONG[value or "text"] if chance.random() < 0.1 else values)
        if value is None:
            words.insert(chance.randrange(len(words) + 1), flag)
        elif flag.startswith("--") and chance.random() < 0.5:
            words.append(f"{flag}={chosen}")
        else:
            words += [flag, chosen]
    mistakes = [[], [], [], [], ["--nope"], ["-Z"], ["--"], ["extra"], ["--quiet=1"], ["-qv"]]
    return [*form.name.split(), *words, *chance.choice(mistakes)]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.sample(25)
def test_a_line_is_taken_where_the_real_command_line_takes_it(name):
    chance, taken = random.Random(name), 0
    for _ in range(60):
        words = made_line(command_forms()[name], chance)
        try:
            read_command(shlex.join(words))
            mine = True
        except WrongCommandError:
            mine = False
        assert mine == takes(words), words
        taken += mine
    assert taken > 1


def test_the_table_has_every_command():
    assert set(command_forms()) == set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "message", "at", "suggestion"),
    [
        ("materialise", 'no command "materialise"', "materialise", 'did you mean "materialize"?'),
        ("models cnary start m", 'models has no command "cnary"', "cnary", 'did you mean "canary"?'),
        ("models canary", "models canary: which command?", "canary", ""),
        ("push --no-onlin", "push has no option --no-onlin", "--no-onlin", ""),
        ("materialize --no-onlin", "materialize has no option --no-onlin", "--no-onlin", 'did you mean "--no-online"?'),
        ("materialize --full=yes", "--full takes no value", "--full=yes", ""),
        ("score m --out", "--out needs a value", "--out", ""),
        ("push -vZ", "push has no option -Z", "-vZ", ""),
        ("train m --from-version two", '--from-version "two" is not a whole number', "two", ""),
        ("train m --from-version 0", '--from-version "0" is less than 1', "0", ""),
        ("serve --port 99999", '--port "99999" is more than 65535', "99999", ""),
        ("monitor export --port=70000", '--port "70000" is more than 65535', "--port=70000", ""),
        ("stream run --port 0", '--port "0" is less than 1', "0", ""),
        ("serve --workers 0", '--workers "0" is less than 1', "0", ""),
        ("push -o jsn", '-o "jsn" is not one of its values', "jsn", 'did you mean "json"?'),
        ("train", "train needs MODEL", "train", ""),
        ("version now", 'version takes no "now"', "now", ""),
        ("score 'm", "no closing quotation", "'m", ""),
        ("featurectl push", "the name of the program is left out", "featurectl", ""),
        ("", "a command is missing", "", ""),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(text, message, at, suggestion):
    with pytest.raises(WrongCommandError) as caught:
        read_command(text)
    wrong = caught.value
    assert (wrong.message, text[wrong.word.start : wrong.word.end], wrong.suggestion) == (message, at, suggestion)


def test_what_no_shell_reads_is_said_so():
    with pytest.raises(WrongCommandError) as caught:
        read_command("version && push")
    assert caught.value.note == "no shell reads a command"


def test_words_stand_where_they_are_written():
    text = """score  m --out 'a b'  --since="2013 1" x\\ y"""
    found = split_words(text)
    assert [word.text for word in found] == shlex.split(text)
    assert [text[word.start : word.end] for word in found] == [
        "score", "m", "--out", "'a b'", '--since="2013 1"', "x\\ y",
    ]  # fmt: skip


def test_arguments_and_options_have_their_names():
    read: ReadCommand = read_command("score m@3 -ojson --out s/ --all-keys")
    assert (read.name, read.named("MODEL")) == ("score", ["m@3"])
    assert read.options == (("-o", "json"), ("--out", "s/"), ("--all-keys", ""))
    assert [read.has(flag) for flag in ("--output", "-o", "--all-keys", "--restart")] == [True, True, True, False]
