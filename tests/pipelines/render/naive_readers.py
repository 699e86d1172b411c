"""How those who read rendered files make words of them: naive readings of what each says of itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml
from ruamel.yaml import YAML

GO_READS_AS_NO_TEXT = re.compile(  # the YAML of Kubernetes, Argo and Compose, of which PyYAML knows less
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o?[0-7]+|0x[0-9a-fA-F]+|0b[01]+|y|Y|n|N|~|null|Null|NULL"
    r"|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|"
)


def read_yaml(text: str) -> Any:
    """Return the document of a file, which readers of YAML 1.1 and 1.2 agree on."""
    for node in _scalars(yaml.compose(text)):
        is_plain_text = node.style is None and node.tag == "tag:yaml.org,2002:str"
        assert not (is_plain_text and GO_READS_AS_NO_TEXT.fullmatch(node.value)), node.value
    document = {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}
    assert YAML(typ="safe", pure=True).load(text) == document
    return document


def _scalars(node: yaml.Node | None) -> list[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        return [node]
    assert node is not None
    inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    return [scalar for part in inner for scalar in _scalars(part)]


def by_kubelet(container: Mapping[str, Any], **known: str) -> list[str]:
    """Return the words of a container: $(NAME) is a variable where there is one, and of two $ one is left."""
    environ = {item["name"]: item["value"] for item in container.get("env", ()) if "value" in item} | known

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environ.get(found[1], found[0])

    return [re.sub(r"\$\$|\$\(([^)]*)\)", value, word) for word in container["command"]]


def by_argo(template: Mapping[str, Any], **tags: str) -> dict[str, Any]:
    """Return a template as Argo submits it: what stands in two braces is a tag, which it has to know."""
    text = json.dumps(template, ensure_ascii=False)
    replaced: dict[str, Any] = json.loads(re.sub(r"\{\{(.*?)\}\}", lambda found: tags[found[1]], text, flags=re.DOTALL))
    assert "{{" not in json.dumps(replaced)
    return replaced


def by_compose(words: list[str]) -> list[str]:
    """Return the words of a service: a variable is none of ours, and of two $ one is left."""
    assert not any(re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word) for word in words)
    return [word.replace("$$", "$") for word in words]


def by_shell(script: str, program: str = "featurectl", **environ: str) -> list[str]:
    """Return what a real shell gives to the program that a script runs, which is a function here."""
    shown = f'{program}() {{ printf "%s\\0" "$@"; }}\n{script.replace("exec ", "", 1)}'
    done = subprocess.run(["/bin/sh", "-c", shown], env=environ, capture_output=True, check=True)
    assert done.stderr == b""
    return [program, *done.stdout.decode().split("\0")[:-1]]


def by_github(script: str, **environ: str) -> list[str]:
    """Return what the script of a job runs: an expression in it is none of ours."""
    assert "${{" not in script
    return by_shell(script, **environ)


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ", "\\": "\\"}


def by_systemd(unit: str) -> list[str]:
    """Return the words of ExecStart: quotes and escapes of C, then specifiers, then variables."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert re.search(r"(?<!\\)(\\\\)*\\$", line) is None, "it would go on with the next line"
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line)
    return [_without_variables(_without_specifiers(word)) for word in _words(line)]


def _words(line: str) -> list[str]:
    words, word, quote, at = list[str](), None, "", 0
    while at < len(line):
        letter = line[at]
        at += 1
        if letter == "\\":
            escaped, at = _escaped(line, at)
            word = (word or "") + escaped
        elif quote and letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            assert word is None, "a quote within a word is none to older ones"
            quote, word = letter, ""
        elif not quote and letter in " \t":
            words += [] if word is None else [word]
            word = None
        else:
            assert quote or letter != ";" or word is not None or line[at : at + 1] not in ("", " "), "a new command"
            word = (word or "") + letter
    assert not quote
    return words + ([] if word is None else [word])


def _escaped(line: str, at: int) -> tuple[str, int]:
    letter = line[at]
    if letter == "x":
        return chr(int(line[at + 1 : at + 3], 16)), at + 3
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 1
    assert letter in "\"'", f"\\{letter} is no escape"
    return letter, at + 1


def _without_specifiers(word: str) -> str:
    assert not re.search(r"(?<!%)(%%)*%(?!%)", word)
    return word.replace("%%", "%")


def _without_variables(word: str) -> str:
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word)
    return word.replace("$$", "$")


def lists_of_python(text: str, function: str) -> list[Any]:
    """Return the literals that calls of a function in a module are given, by keyword or in their order."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == function]
    values = [value for call in named for value in (*call.args, *(item.value for item in call.keywords))]
    return [ast.literal_eval(value) for value in values if isinstance(value, ast.List)]
