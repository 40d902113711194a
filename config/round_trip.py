"""Change a YAML file that a person wrote, and leave the rest of it as it is: comments, order, quotes, layout."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError
from config.line_merge import merged

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_WIDE = 1_000_000
"""Columns: lines are never folded."""
_SHORT = 90
"""Columns that keys with values may take on one line."""
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_START = re.compile(r"(?m)^---(?=\s|$)")
_END = re.compile(r"(?m)^\.\.\.(?=\s|$)")
_BREAK = re.compile(r"\r\n?|\n")


class KeysAsText(yaml.SafeLoader):
    """Reads keys as text, as the loader of site files does: a camera may be called ``1`` or ``on``."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys with values; ``<<`` means nothing."""
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}


def edited(path: Path, text: str, change: Callable[[Any], None]) -> str:
    """The text after a change of its content.

    ruamel.yaml reads it with its comments and writes it twice, before and after the change; what differs is changed in
    the text.

    Args:
        path: The file, for messages.
        text: What it holds.
        change: Changes ruamel's tree in place. Raises what it likes.

    Raises:
        ConfigError: It is not valid YAML, would not be, or ruamel.yaml is not installed.
    """
    if importlib.util.find_spec("ruamel") is None:
        raise ConfigError(
            f"{path}:1: to change this file and keep its comments needs ruamel.yaml, which is not installed; "
            "run pip install 'sightline[server]'"
        )
    try:
        return _edited(path, text, change)
    except RecursionError as error:
        raise ConfigError(f"{path}: lists are nested too deeply in it to be changed; write them flatter") from error


def _edited(path: Path, text: str, change: Callable[[Any], None]) -> str:
    mark = _BOM if text.startswith(_BOM) else ""
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    plain = _BREAK.sub("\n", text.removeprefix(_BOM))
    writer = _writer(plain)
    tree = _read(path, plain, writer)
    base = _written(writer, tree)
    change(tree)
    new = _written(writer, tree)
    if new == base:
        return text
    wanted = _content(new)
    if isinstance(wanted, _Broken):
        raise ConfigError(f"{path}: this cannot be changed with the comments in their places; change the text by hand")
    result = "\n".join(merged(plain.split("\n"), base.split("\n"), new.split("\n")))
    if _content(result) != wanted:  # a layout that cannot be followed; the writer's own is right
        result = new
    return mark + result.replace("\n", newline)


def put(tree: Any, key: Any, value: Any) -> None:
    """Set a value in ruamel's tree, or take the key away with ``None``; what is equal already is not touched.

    Keys with values are compared key by key, so that comments behind those that stay are kept.

    Args:
        tree: Keys with values.
        key: One of them, or a new one.
        value: Plain data.
    """
    old = tree.get(key)
    if value is None:
        if key in tree:
            del tree[key]
    elif isinstance(value, Mapping) and isinstance(old, Mapping) and value and old:
        fill(old, value)
    elif key not in tree or not _says(old, value):
        tree[node(key) if key not in tree else key] = node(value)


def fill(tree: Any, wanted: Mapping[Any, Any]) -> None:
    """Make keys with values what they should be: those that are not wanted go, others are ``put``."""
    for key in [key for key in tree if key not in wanted]:
        del tree[key]
    for key, value in wanted.items():
        if value is not None or tree.get(key) is not None:  # an empty one that is written stays
            put(tree, key, value)


def _says(old: Any, value: Any) -> bool:
    """Whether what is written is this value already, as YAML 1.1 reads it (``yes``, ``12:30``) or as ruamel does."""
    if isinstance(old, Mapping) and isinstance(value, Mapping):
        return bare(list(old)) == list(value) and all(_says(old[key], item) for key, item in value.items())
    if isinstance(old, list | tuple) and isinstance(value, list | tuple):
        return len(old) == len(value) and all(map(_says, old, value))
    if type(old) is str and not isinstance(value, str):  # plain: quoted text is of a class of its own
        old = _content(old)
    return bool(bare(old) == value) and isinstance(old, bool) == isinstance(value, bool)


def own(root: Any, parent: Any, key: Any) -> Any:
    """The block behind a key, to be changed: where aliases share it, a copy that only this key has.

    Args:
        root: The whole tree.
        parent: Keys with values.
        key: One of them.
    """
    found = parent[key]
    if sum(below is found for below in _everything(root)) > 1:
        parent[key] = node(bare(found))
    return parent[key]


def bare(value: Any) -> Any:
    """Ruamel's values as plain ones."""
    if isinstance(value, Mapping):
        return {bare(key): bare(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [bare(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def node(value: Any) -> Any:
    """Plain data as ruamel writes it: lists on one line, and keys with values too where they are short.

    Text is quoted where YAML 1.1, which reads it, would take it for something else (``on``, ``12:30``).
    """
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, Mapping):
        mapping = CommentedMap((node(key), node(item)) for key, item in value.items())
        if value and len(str(value)) <= _SHORT and not any(isinstance(item, Mapping) for item in value.values()):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(node(item) for item in value)
        if not any(isinstance(item, Mapping) for item in value):
            sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, str) and (_content(value) != value or _BREAK.search(value)):
        return DoubleQuotedScalarString(value)
    return value


def block(value: Mapping[Any, Any]) -> Any:
    """Keys with values as ruamel writes them, each on a line of its own."""
    mapping = node(value)
    mapping.fa.set_block_style()
    return mapping


def _everything(tree: Any) -> Iterator[Any]:
    """All blocks and lists of a tree; what aliases share comes once for each of them, its content once."""
    seen: set[int] = set()
    todo = [tree]
    while todo:
        value = todo.pop()
        if not isinstance(value, Mapping | list):
            continue
        yield value
        if id(value) not in seen:
            seen.add(id(value))
            todo += value.values() if isinstance(value, Mapping) else value


def _writer(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.util import load_yaml_guess_indent

    writer = YAML()
    writer.Composer = _composer()
    writer.preserve_quotes = True
    writer.width = _WIDE
    writer.explicit_start = _START.search(text) is not None
    writer.explicit_end = _END.search(text) is not None
    try:
        _, indent, offset = load_yaml_guess_indent(text)
    except Exception:  # broken YAML, told by who reads it next
        return writer
    indent, offset = (4, 2) if offset is None else (indent, offset)
    writer.indent(mapping=_step(text), sequence=indent, offset=offset)
    return writer


def _composer() -> type[Any]:
    """Of ruamel.yaml, but that plain keys are text, as the loader reads them: a camera may be called ``1`` or ``007``.

    Where a line with such a key is written anew, the key has quotes.
    """
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.tag import Tag

    class KeysAsText(Composer):
        def compose_mapping_node(self, anchor: Any) -> Any:
            found = super().compose_mapping_node(anchor)
            for key, _ in found.value:
                if isinstance(key, ScalarNode) and key.tag != _MERGE:
                    key.ctag = Tag(suffix=_TEXT)
            return found

    return KeysAsText


def _step(text: str) -> int:
    """Columns that keys are indented by: as the first that are."""
    steps = (len(line) - len(line.lstrip(" ")) for line in text.split("\n") if re.match(r" +[^\s#-]", line))
    return next(steps, 2)


def _read(path: Path, text: str, writer: Any) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        tree = writer.load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).split("\n", 1)[0]
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}") from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{path}:1: expected keys with values")
    return tree


def _written(writer: Any, tree: Any) -> str:
    out = io.StringIO()
    writer.dump(tree, out)
    return out.getvalue()


def _content(text: str) -> Any:
    """What the loader will read, keys as text."""
    reader = KeysAsText(text)
    try:
        return reader.get_single_data()
    except (yaml.YAMLError, ValueError):
        return _Broken()
    finally:
        reader.dispose()


class _Broken:
    """Equal to nothing."""

    __slots__ = ()
