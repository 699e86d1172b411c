"""Messages of the library name options and commands; callers of Python read of arguments and methods instead.

Operations say once what is wrong, in the words of the command line. Errors that leave a method, warnings and what is
drawn of results are put into Python's words here: `--time COLUMN` is `time="COLUMN"`, `featurectl push spend` is
`project.push("spend")`. What has no argument and no method stays as it is: it can be run as a command.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, ParamSpec, TypeVar

from featurectl.api.arguments import check_arguments
from featurectl.api.users_texts import TheirTexts, UsersTexts, causes_of, texts_given, texts_in
from featurectl.core.errors import FeaturectlError

P = ParamSpec("P")
R = TypeVar("R")
AnyMethod = Callable[..., Any]

# Commands whose method has another name, by the words of the command; those of the same name need no line.
OTHER_NAMES: Final[Mapping[str, str]] = {
    "training-set": "training_set",
    "models import": "models.import_file",
    "monitor drift": "drift",
    "monitor check": "alerts.check",
    "monitor silence": "alerts.silence",
    "monitor silence --end": "alerts.end_silence",
    "monitor test": "alerts.test",
    "verify --store": "verify_store",
}
# Options whose argument has another name, by method.
OTHER_ARGUMENTS: Final[Mapping[tuple[str, str], str]] = {
    ("models.export", "out"): "folder",
    ("models.promote_to", "to"): "env",
    ("alerts.silence", "for"): "for_",
}
# What has no argument of its own is said otherwise.
SENTENCES: Final[Mapping[str, str]] = {
    "without a difference: -v shows all": "without a difference: `parts` has all",
    "--debug shows the whole traceback": "__cause__ has the whole traceback",
    "--store compares the online store": "project.verify_store() compares the online store",
}

_OPTION: Final = r"--[a-z][a-z-]*"
_COMMAND: Final = re.compile(rf"\bfeaturectl (?=[a-z])|(?<![\w-])(?=[a-z]+ {_OPTION})")
_WORD: Final = re.compile(r" ?([^\s;,()`]*[^\s;,()`.:?])")
_ALONE: Final = re.compile(rf"(?<![\w/.-])({_OPTION})(?![/.]\w)(?:[ =]('[^']*'|[^\s;,()]*[^\s;,():]))?(?=(.?)(.?.?))")
_NO_PROSE: Final = re.compile(r".*[\d+*@=/:.'_]|[A-Z][A-Z_@:]*$")  # no word of a sentence
_OPENING: Final = "open_project."  # before the arguments of a call that are those of what opens the project
_CONJUNCTIONS: Final = ("and", "or")


class PythonWords:
    """Words of the command line as those of some methods: by name ("models.promote"), and of what opens a project."""

    def __init__(self, methods: Mapping[str, AnyMethod], opening: AnyMethod) -> None:
        self._arguments = {name: _arguments(method) for name, method in methods.items()}
        self._opening = _arguments(opening)
        self.methods = {name.replace("_", "-").replace(".", " "): name for name in methods} | {**OTHER_NAMES}

    def arguments_of(self, method: str) -> set[str]:
        """Return the names of the arguments of a method, and of what opens its project."""
        return {*self._arguments[method], *self._opening}

    def of(self, text: str, method: str = "", theirs: TheirTexts = tuple) -> str:
        """Return a text in Python's words; `method` is the one that was called, whose arguments have no object.

        What of it is the user's, a part of one of `theirs` or within quotes, stays as it is.
        """
        said = self._of(text, method, UsersTexts())
        users = UsersTexts() if said == text else UsersTexts(theirs())
        return self._of(text, method, users) if users else said

    def _of(self, text: str, method: str, users: UsersTexts) -> str:
        for said, instead in SENTENCES.items():
            text = _replaced(text, said, instead, users)

        def options(start: int, part: str) -> str:
            def written(found: re.Match[str]) -> str:
                is_theirs = users.has(text, start + found.start(), start + found.end())
                return found[0] if is_theirs else self._option_in(found, method)

            return _ALONE.sub(written, part)

        parts = self._parts(text, users)
        return "".join(part if is_command else options(start, part) for start, part, is_command in parts)

    def _parts(self, text: str, users: UsersTexts) -> Iterator[tuple[int, str, bool]]:
        """Yield where the parts of a text begin, these, and whether they are commands: as calls, if there are any."""
        done = 0
        for found in _COMMAND.finditer(text):
            words = list(_words(text, found.end()))
            read = self._command(words) if words and found.start() >= done else None
            if read is None and (found.start() < done or not words or not found[0]):
                continue
            call, end = read or (text[found.start() : words[-1][1]], words[-1][1])
            is_theirs = users.has(text, found.start(), end)
            yield done, text[done : found.start()], False
            yield found.start(), text[found.start() : end] if is_theirs else call, True
            done = end
        yield done, text[done:], False

    def _command(self, words: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
        """Return the call that a command is, and where it ends; None: it has no method. Words come with their ends."""
        name, taken = self._method(words)
        if not name:
            return None
        arguments, end = dict[str, str](), words[taken - 1][1]
        free = [key for key, kind in self._arguments[name].items() if kind.is_positional]
        rest, is_after_value = words[taken:], False
        while rest:
            (word, end_of_word), *rest = rest
            if word.startswith("--"):
                read = self._option(name, word, rest[0][0] if rest else "")
                if read is None:
                    return None
                key, value, is_next_used = read
                end = rest[0][1] if is_next_used else end_of_word
                rest, is_after_value = rest[1:] if is_next_used else rest, is_next_used
            elif free and (not is_after_value or _NO_PROSE.match(word)):
                key, value, end = free.pop(0), _quoted(word), end_of_word
            elif arguments and not is_after_value and self._takes_more(name, key, [word, *(text for text, _ in rest)]):
                value, end = f"{value}, {_quoted(word)}", end_of_word
            else:
                break
            arguments[key] = value
        return self._call(name, arguments), end

    def _method(self, words: Sequence[tuple[str, int]]) -> tuple[str, int]:
        """Return the method that the first words of a command name, and how many they are."""
        for count in (3, 2, 1):
            name = self.methods.get(" ".join(word for word, _ in words[:count]))
            if name is not None and len(words) >= count:
                return name, count
        return "", 0

    def _takes_more(self, name: str, key: str, words: Sequence[str]) -> bool:
        """Return whether the first word goes on with an argument: no word of a sentence, or one before an option."""
        argument = self._arguments[name].get(key)
        goes_on = bool(_NO_PROSE.match(words[0])) or any(word.startswith("--") for word in words)
        return argument is not None and argument.is_positional and argument.is_several and goes_on

    def _option(self, name: str, word: str, following: str) -> tuple[str, str, bool] | None:
        """Return the argument of an option, its value, and whether that is the following word; None: there is none."""
        option, _, joined = word.removeprefix("--").partition("=")
        key = OTHER_ARGUMENTS.get((name, option), option.replace("-", "_"))
        argument = self._arguments[name].get(key)
        if argument is None and key not in self._opening:
            return None
        if argument is not None and argument.is_flag:
            return key, "True", False
        value = joined or following
        named = key if argument is not None else f"{_OPENING}{key}"
        return named, _quoted(value or "..."), bool(following and not joined)

    def _call(self, name: str, arguments: Mapping[str, str]) -> str:
        kinds = self._arguments[name]
        of_project = {key: text for key, text in arguments.items() if key.startswith(_OPENING)}
        opening = [f"{key.removeprefix(_OPENING)}={text}" for key, text in of_project.items()]
        own = {key: text for key, text in arguments.items() if not key.startswith(_OPENING)}
        parts = [
            f"[{text}]" if kinds[key].is_list and '", "' in text else text
            for key, text in own.items()
            if kinds[key].is_positional
        ]
        parts += [f"{key}={text}" for key, text in own.items() if not kinds[key].is_positional]
        project = f"featurectl.open_project({', '.join(opening)})" if opening else "project"
        return f"{project}.{name}({', '.join(parts)})"

    def _option_in(self, found: re.Match[str], method: str) -> str:
        """Return an option outside of commands as an argument of a method or of what opens a project."""
        own = self._arguments.get(method, {})
        option = found[1].removeprefix("--")
        key = OTHER_ARGUMENTS.get((method, option), option.replace("-", "_"))
        where = own if key in own else self._opening
        if key not in where:
            return found[0]
        word = found[2] or ""
        if where[key].is_flag or not _is_value(word, found[3] + found[4]):
            shown, rest = ("True" if where[key].is_flag else "..."), f" {word}" if word else ""
        else:
            shown, rest = _quoted(word), ""
        argument = f"{key}={shown}"
        return f"{argument if where is own else f'featurectl.open_project({argument})'}{rest}"


class _Argument:
    """What is known of an argument of a method."""

    def __init__(self, parameter: inspect.Parameter) -> None:
        self.is_flag = isinstance(parameter.default, bool)
        self.is_list = "Sequence[str]" in str(parameter.annotation)
        self.is_several = self.is_list or parameter.kind == parameter.VAR_POSITIONAL
        self.is_positional = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)


def _arguments(method: AnyMethod) -> dict[str, _Argument]:
    return {name: _Argument(item) for name, item in inspect.signature(method).parameters.items() if name != "self"}


def _words(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Yield the words of a command from a place on, each with its end; the last is before a mark."""
    while found := _WORD.match(text, start):
        start = found.end()
        yield found[1], start
        if text[start : start + 1] not in ("", " "):
            return


def _is_value(word: str, after: str) -> bool:
    """Return whether a word behind an option is its value, and not the next of a sentence."""
    if not word or word in _CONJUNCTIONS:
        return False
    return bool(_NO_PROSE.match(word)) or after[:1] in ("", ":", ";", ",", ")") or after[:3] == " --"


def _quoted(word: str) -> str:
    """Return a word as a literal of Python."""
    if word == "..." or re.fullmatch(r"-?\d+(\.\d+)?", word) or (word[:1] == word[-1:] == "'"):
        return word
    key, sign, value = word.partition("=")
    return f'{{"{key}": "{value}"}}' if sign else f'"{word}"'


def _replaced(text: str, said: str, instead: str, users: UsersTexts) -> str:
    """Return a text with one of our sentences said otherwise."""
    return re.sub(re.escape(said), lambda found: found[0] if users.has(text, *found.span()) else instead, text)


class SpeaksPython:
    """What says in Python's words what commands say in theirs; a project tells which these are."""

    __slots__ = ()
    _words: ClassVar[Callable[[], PythonWords]]

    def _in_python(self, text: str, method: str = "", theirs: TheirTexts | None = None) -> str:
        """Return a text in Python's words, as the method of a name says it; `theirs` if they were gathered already."""
        return type(self)._words().of(text, method, theirs or self._users_texts)  # noqa: SLF001  # ours, no method of what speaks

    def _users_texts(self) -> Iterable[str]:
        """Return the texts that may stand in what it says and are none of ours: those that it holds."""
        return texts_in(self)


def speak_python(kind: type, words: Callable[[], PythonWords], prefix: str = "") -> None:
    """Put the errors that leave the methods of a class into Python's words; `prefix` is how these are reached."""
    for name, method in list(vars(kind).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(kind, name, speaking_python(method, words, f"{prefix}{name}"))


def speaking_python(function: Callable[P, R], words: Callable[[], PythonWords], name: str = "") -> Callable[P, R]:
    """Return a function whose errors are in Python's words, as those of the method of a name."""
    called = f"project.{name}" if name else function.__name__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            check_arguments(function, called, args, kwargs)
            return function(*args, **kwargs)
        except FeaturectlError as error:
            _reword(error, lambda text, theirs: words().of(text, name, theirs), (args, kwargs))
            raise

    return call


def _reword(error: FeaturectlError, said: Callable[[str, TheirTexts], str], given: object) -> None:
    """Put the message and the hint of an error into other words, and those of the errors that it holds.

    Not so what was `given` to the method, what stands in the files of its project, and what errors of others say.
    """

    def theirs() -> Iterable[str]:
        return (*texts_given(given), *causes_of(error))

    error.message, error.hint = said(error.message, theirs), said(error.hint, theirs)
    for part in (getattr(error, "errors", None) or {}).values():
        _reword(part, said, given)
