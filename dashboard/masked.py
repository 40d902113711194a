"""A site file's text as a page may show it: placeholders for passwords, which are the real ones when it comes back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import yaml

from config.errors import ConfigError
from config.faults import SECRET_KEYS, YamlPath, dotted
from pipelines.secrets import secrets_in

_LEAST = 4
"""Shorter words are hidden where they stand as a password, and nowhere else."""
_WORD = "hidden"
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?P<default>[^}]*))?\}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,31}://(?P<login>[^\s?#\"']+)@", re.IGNORECASE)
_KEYS = "|".join(sorted(SECRET_KEYS))
_COMMENTED = re.compile(rf"(?mi)#.*?\b(?:{_KEYS})[ \t]*:[ \t]*(?P<value>[^\s#][^\n]*)")
_COMMENTED_SOURCE = re.compile(r"(?mi)#.*?\bsource[ \t]*:[ \t]*(?P<value>[^\s#][^\n]*)")
_BELOW = re.compile(
    rf"(?m)^(?P<indent>[ \t]*)(?:-[ \t]+)*[\"']?(?:{_KEYS})[\"']?[ \t]*:[ \t]*(?:[|>][^\n]*)?\n"
    r"(?P=indent)[ \t]+(?P<value>\S[^\n]*)"
)
"""A secret key with its value on the line below, further in."""
_ANCHOR = re.compile(r"&(?P<name>[^\s\[\]{},]+)\s+|!!\w+\s+")
"""What may stand before a value and is no part of it."""
_BLOCK_HEAD = re.compile(r"[|>][^\n]*\n")
Span = tuple[int, int]
Paths = list[tuple[Span, YamlPath]]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a placeholder stands for.

    Attributes:
        text: As it stands in the file.
        kind: Where that is: the top key and the last one of its YAML path; empty in a comment.
    """

    text: str
    kind: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without secrets, and what stood where."""

    text: str
    word: str
    hidden: tuple[Hidden, ...]
    is_yaml: bool = True
    """Else nothing is known of what keys led to the values."""


def masked(text: str, secrets: Collection[str] = ()) -> Masked:
    """The text with ``<hidden-1>``, ``<hidden-2>`` … in place of what nobody should read.

    That is the values of password keys, logins in addresses wherever they stand, what queries of sources say, and every
    further place of such a value in a comment. Values that come from the environment are named there, not
    written: ``${CAM_PASSWORD}`` stays.

    Args:
        text: A site file's; it need not be valid.
        secrets: Others that are known.
    """
    paths = _paths(text)
    spans = [*_written(text), *_in_comments(text)]
    values = {text[start:end] for start, end in spans} | {value for value in secrets if "\n" not in value}
    spans += _again(text, values, paths)
    if not paths:  # a broken text: nobody knows what stands where
        spans += (place for value in values if len(value) >= _LEAST for place in _places(text, value, (0, len(text))))
    word = _WORD
    while f"<{word}-" in text:
        word += "x"
    parts: list[str] = []
    hidden: list[Hidden] = []
    at = 0
    for start, end in _joined(spans):
        hidden.append(Hidden(text[start:end], _kind(_path_at(paths, start))))
        parts += [text[at:start], f"<{word}-{len(hidden)}>"]
        at = end
    return Masked("".join([*parts, text[at:]]), word, tuple(hidden), bool(paths))


def unmasked(text: str, shown: Masked) -> str:
    """A text that comes back, with what its placeholders stand for.

    Args:
        text: What came back; placeholders may have moved with their keys, and may be gone.
        shown: What was shown before.

    Raises:
        ConfigError: A placeholder that was not shown, or one where its value would be no secret.
    """
    pattern = re.compile(rf"<{shown.word}-(\d{{1,9}})>")
    paths = _paths(text)
    faults = []
    for match in pattern.finditer(text):
        number = int(match[1])
        line = text.count("\n", 0, match.start()) + 1
        if not 0 < number <= len(shown.hidden):
            faults.append(f"{line}: {match[0]} stands for nothing; write the value itself")
            continue
        path = _path_at(paths, match.start())
        kind = _kind(path)
        if not shown.is_yaml:
            continue
        before = shown.hidden[number - 1].kind
        if kind[0] and kind != before and before[0]:
            faults.append(
                f"{line}: {dotted(path)}: {match[0]} was behind {before[1]!r} of {before[0]!r} and can stand there "
                "alone; write the value itself"
            )
        elif kind[0] and not before[0]:
            faults.append(f"{line}: {dotted(path)}: {match[0]} was in a comment; write the value itself")
    if faults:
        raise ConfigError(*faults)
    return pattern.sub(lambda match: shown.hidden[int(match[1]) - 1].text, text)


def _written(text: str) -> Iterator[Span]:
    """Where secrets stand as values."""
    for span, path, value in _scalars(text) or _by_line(text):
        if not SECRET_KEYS.isdisjoint(path):
            yield from _unfilled(text, span)
        elif _kind(path)[1] == "source":
            yield from _in_source(text, span, value)


def _in_source(text: str, span: Span, value: str) -> Iterator[Span]:
    """What a source says that is neither its address nor its login, which are found wherever they stand."""
    words = secrets_in(value)
    query = text.find("?", *span)
    begin = span[0] if value.startswith("gst:") else query
    found = [place for word in words for place in _places(text, word, (begin, span[1]))] if begin >= 0 else []
    if any(len(word) < _LEAST for word in words) and value.startswith("gst:"):
        yield span  # too short to tell it from the rest
    elif found:
        yield from found
    elif words and "\\" in text[slice(*span)]:
        yield span  # written with escapes


def _unfilled(text: str, span: Span) -> Iterator[Span]:
    """The lines of a value without what names the environment; defaults of variables are values, too."""
    start, end = span
    for line in re.finditer(r"[^\n]+", text[start:end]):
        at = start + line.start() + len(line[0]) - len(line[0].lstrip())
        stop = start + line.start() + len(line[0].rstrip())
        for variable in _VARIABLE.finditer(text, at, stop):
            if variable.start() > at:
                yield at, variable.start()
            if variable["default"]:
                yield variable.span("default")
            at = variable.end()
        if stop > at:
            yield at, stop


def _in_comments(text: str) -> Iterator[Span]:
    """Logins in addresses anywhere, and passwords that are commented out."""
    for match in _ADDRESS.finditer(text):
        start, end = match.span("login")
        colon = text.find(":", start, end)
        yield from _unfilled(text, (start if colon < 0 else colon + 1, end))
    for match in _COMMENTED.finditer(text):
        yield from _unfilled(text, match.span("value"))
    for match in _COMMENTED_SOURCE.finditer(text):
        yield from _in_source(text, match.span("value"), match["value"].strip().strip("'\""))


def _again(text: str, values: Iterable[str], paths: Paths) -> Iterator[Span]:
    """Where a secret stands in a comment."""
    comments = [match.span() for match in re.finditer(r"(?m)(?:^|(?<=\s))#[^\n]*", text)]
    comments = [span for span in comments if not _path_at(paths, span[0])]
    for value in values:
        if len(value) >= _LEAST:
            yield from (place for span in comments for place in _places(text, value, span))


def _places(text: str, word: str, span: Span) -> Iterator[Span]:
    at = text.find(word, *span) if word else -1
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + len(word), span[1])


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same places without an overlap, in order."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _paths(text: str) -> Paths:
    return [(span, path) for span, path, _ in _scalars(text)]


def _path_at(paths: Paths, place: int) -> YamlPath:
    """The keys that lead to a place; empty outside of all values, and in a broken text."""
    return next((path for (start, end), path in paths if start <= place < end), ())


def _kind(path: YamlPath) -> tuple[str, str]:
    """The first key and the last, or the secret one before it."""
    names = [step for step in path if isinstance(step, str)]
    if secret := next((name for name in names if name in SECRET_KEYS), None):
        return names[0], secret
    return (names[0], names[-1]) if names else ("", "")


def _scalars(text: str) -> list[tuple[Span, YamlPath, str]]:
    """Every value of a YAML text: the place of its characters without quotes, its keys, and what it says.

    Of a broken text nothing is known.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        root = None
    if root is None:
        return []
    found: list[tuple[Span, YamlPath, str]] = []
    todo: list[tuple[yaml.Node, YamlPath]] = [(root, ())]
    seen: set[int] = set()
    while todo:
        node, path = todo.pop()
        if isinstance(node, yaml.ScalarNode):  # of an alias every path counts
            found.append((_inside(text, node), path, str(node.value)))
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            todo += [(value, (*path, str(key.value))) for key, value in node.value]
            if not SECRET_KEYS.isdisjoint(path):  # a password in braces is a key
                todo += [(key, path) for key, _ in node.value]
        else:
            todo += [(value, (*path, index)) for index, value in enumerate(node.value)]
    found.sort(key=lambda one: SECRET_KEYS.isdisjoint(one[1]))  # where an alias leads, the secret's path goes first
    return found


def _inside(text: str, node: yaml.ScalarNode) -> Span:
    """The characters of a value: without quotes, or the head of a block."""
    start, end = node.start_mark.index, node.end_mark.index
    while (match := _ANCHOR.match(text, start, end)) and match.end() < end and _is_used(text, match["name"]):
        start = match.end()
    if node.style in ("'", '"'):
        return start + 1, end - 1
    if node.style in ("|", ">") and (head := _BLOCK_HEAD.match(text, start)):
        return head.end(), end
    return start, end


def _is_used(text: str, anchor: str | None) -> bool:
    """Whether an alias needs this anchor; else it may be a password that begins with ``&``. Tags come without one."""
    return anchor is None or re.search(rf"\*{re.escape(anchor)}(?![^\s\[\]{{}},])", text) is not None


def _by_line(text: str) -> Iterator[tuple[Span, YamlPath, str]]:
    """What looks like a secret behind its key or below it, in a text that is broken: up to the end of the line."""
    for match in _BELOW.finditer(text):
        yield match.span("value"), ("password",), match["value"]
    for match in re.finditer(rf"\b(?P<key>{_KEYS}|source)[\"']?[ \t]*:[ \t]*(?P<value>[^\n]+)", text):
        value = match["value"].rstrip()
        yield (match.start("value"), match.start("value") + len(value)), (match["key"],), value
