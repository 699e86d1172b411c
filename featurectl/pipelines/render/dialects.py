"""Filters of templates: each writes a value so that the reader of one dialect takes it as data, whatever it holds."""

from __future__ import annotations

import hashlib
import keyword
import re
import shlex
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Final

_WIDTH: Final = 110
_NEXT: Final = re.compile(r"\n(?=\S)")
# What every reader of YAML takes for text without quotes; all else is quoted.
_PLAIN: Final = re.compile(r"(?:--?)?[A-Za-z_/].*|\d+(?:[KMGT]iB?|[smh])", re.ASCII)
_SIGNS: Final = re.compile(r": | #|[: ]$")
_FLOW_SIGNS: Final = re.compile(rf"{_SIGNS.pattern}|[^\w ./:@%+=$-]", re.ASCII)
_NO_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SYSTEMD_QUOTES: Final = set(" '\";")
_KUBE_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LONGEST_LIST: Final = 90
_UNITS: Final = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
OPEN_BRACE: Final = "OPEN_BRACE"  # a variable of Kubernetes: two braces are a tag to Argo, which has no escape


def comment(text: str, indent: int = 0) -> str:
    r"""Return each line as a paragraph of comments, filled; one that is indented goes on with the line before it.

    A line `#` keeps others apart.

    >>> comment("One\n  and a half.\n\n#\nTwo.\n")
    '# One and a half.\n#\n# Two.\n'
    """
    lines = []
    for paragraph in _NEXT.split(text.strip("\n")):
        filled = [""]
        for word in map(_printable, paragraph.split()):
            if filled[-1] and len(filled[-1]) + 1 + len(word) > _WIDTH - indent:
                filled.append("")
            filled[-1] += f" {word}" if filled[-1] else word
        lines += [""] if filled == ["#"] else [line for line in filled if line]
    return "".join(f"{' ' * indent}# {line}".rstrip() + "\n" for line in lines)


def below(text: str, indent: int = 0) -> str:
    """Return lines that stand below the end of a line, indented; nothing where there are none."""
    return "\n" + textwrap.indent(text.strip("\n"), " " * indent) if text.strip() else ""


def _printable(word: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in word)


def yaml(value: object, block: int = 0) -> str:
    """Return a value as YAML of one line; with `block`, lines of text below their key, indented so far.

    >>> yaml(["a", "1e-6", "y", "it's"]), yaml({"drop": ["ALL"], "optional": True}), yaml("a: b")
    ("[a, '1e-6', 'y', 'it''s']", '{drop: [ALL], optional: true}', "'a: b'")
    """
    if isinstance(value, str):
        return _yaml_block(value, block) if block and "\n" in value else _yaml_text(value, _SIGNS)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_in_flow(key)}: {_in_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_in_flow, value))}]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else f"{value}"


def _in_flow(value: object) -> str:
    return _yaml_text(value, _FLOW_SIGNS) if isinstance(value, str) else yaml(value)


def _yaml_text(text: str, signs: re.Pattern[str]) -> str:
    if text.isprintable():
        is_plain = _PLAIN.fullmatch(text) and not signs.search(text) and text.lower() not in _NO_TEXT
        return text if is_plain else "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_yaml_letter, text)) + '"'


def _yaml_letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    code = ord(letter)
    return letter if letter.isprintable() else f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"


def _yaml_block(text: str, indent: int) -> str:
    """Return lines that begin with no space and end with one end of a line, as a literal block."""
    if not text.replace("\n", "").isprintable():
        return _yaml_text(text, _SIGNS)
    return "|\n" + textwrap.indent(text, " " * indent, lambda line: line != "\n").removesuffix("\n")


def shell(words: str | Sequence[str]) -> str:
    """Return a word, or words of a line, as a shell reads them as they are."""
    return shlex.quote(words) if isinstance(words, str) else shlex.join(words)


def github_shell(words: Sequence[str]) -> str:
    """Return words as the shell of a job of GitHub reads them, which would take `${{` for an expression."""
    return shell(words).replace("${{", "$''{{")  # in quotes, where these two end and begin them


def dollars(words: Sequence[str]) -> list[str]:
    """Return words of which Kubernetes and Compose make one $ of two, as no $ begins a variable.

    >>> dollars(["get", "a$(HOME)"])
    ['get', 'a$$(HOME)']
    """
    return [word.replace("$", "$$") for word in words]


def argo(words: Sequence[str]) -> list[str]:
    """Return words of a container of Argo without two braces: Kubernetes puts the second one there.

    >>> argo(["a{{b}}$"])
    ['a{$(OPEN_BRACE)b}}$$']
    """
    return [word.replace("{{", f"{{$({OPEN_BRACE})") for word in dollars(words)]


def systemd(words: str | Sequence[str]) -> str:
    r"""Return a word, or words of a command line, as systemd reads them as they are.

    >>> systemd(["--out", "a b", "100%", "$HOME\\x", "a\n"])
    '--out "a b" 100%% $$HOME\\\\x a\\x0a'
    """
    return _systemd_path(words).replace("$", "$$") if isinstance(words, str) else " ".join(map(systemd, words))


def systemd_paths(paths: Sequence[str]) -> str:
    """Return paths of a list as systemd reads them as they are; no variable is looked for in one."""
    return " ".join(map(_systemd_path, paths))


def _systemd_path(path: str) -> str:
    plain = path.replace("\\", "\\\\").replace("%", "%%")
    plain = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", plain)
    return plain if path and not _SYSTEMD_QUOTES & set(path) else '"' + plain.replace('"', '\\"') + '"'


def python(value: str | Sequence[str], indent: int = 0) -> str:
    """Return text, or a list of texts, as a literal of Python as ruff formats it.

    >>> print(python('a "b"'), python("a's"), python(["a", "b"]))
    'a "b"' "a's" ["a", "b"]
    """
    if isinstance(value, str):
        if '"' in value and "'" not in value and "\\" not in value and value.isprintable():
            return f"'{value}'"
        return f'"{"".join(map(_python_letter, value))}"'
    items = [python(item) for item in value]
    line = f"[{', '.join(items)}]"
    inner = "".join(f"{' ' * indent}    {item},\n" for item in items)
    return line if len(line) <= _LONGEST_LIST else f"[\n{inner}{' ' * indent}]"


def _python_letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def docstring(text: str) -> str:
    """Return text between three quotes of Python: what would end it or be read as an escape is escaped."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def filled(text: str, hang: int = 0) -> str:
    """Return a paragraph in lines of one length, all but the first indented."""
    hanging = " " * hang
    return textwrap.fill(text, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def identifier(name: str, taken: Collection[str] = ()) -> str:
    """Return a name of Python for one of ours, which is no word of the language and none that is taken.

    >>> identifier("score"), identifier("import"), identifier("by-hand"), identifier("dag", ("dag",))
    ('score', 'import_', 'by_hand', 'dag_')
    """
    found = name.replace("-", "_")
    while keyword.iskeyword(found) or found in taken:
        found += "_"
    return found


def timedelta(seconds: float) -> str:
    """Return a length of time as a timedelta of Python, in the largest unit that divides it.

    >>> timedelta(7200), timedelta(90), timedelta(1.5)
    ('timedelta(hours=2)', 'timedelta(seconds=90)', 'timedelta(seconds=1.5)')
    """
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), _UNITS[-1])
    return f"timedelta({unit}={seconds / size:g})"


def kube_name(name: str, most: int = 63) -> str:
    """Return a name as Kubernetes takes it, of names of the language with `-` between them: no two become one.

    >>> kube_name("flights-all_tables"), kube_name("flights-all_tables", most=16)
    ('flights-all-tables', 'flights-a-198e4e')
    """
    found = name.replace("_", "-")
    if len(found) <= most and _KUBE_NAME.fullmatch(found):
        return found
    digits = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{found[: most - 7].strip('-')}-{digits}"
