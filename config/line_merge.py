"""A change of a text carried over to another layout of the same text, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

Span = tuple[int, int]


def merged(original: Sequence[str], base: Sequence[str], new: Sequence[str]) -> list[str]:
    """What ``new`` changed of ``base``, changed in ``original``.

    A writer of YAML has a layout of its own. Written twice, before and after a change, its two texts differ by the
    change alone; all other lines stay as a person wrote them. Comments on lines of their own and empty lines are never
    taken away, and what is put in stands before the comment of whatever comes next.

    Args:
        original: Lines as a person wrote them.
        base: The same as the writer lays it out.
        new: The same after the change.
    """
    blocks = _blocks(original, base)
    result: list[str] = []
    at = 0  # in ``original``
    for (low, high), lines in _hunks(base, new, blocks):
        start = _start(blocks, low)
        if low == high:
            start = end = _before_comments(original, max(start, at), at, lines)
        else:
            end = _stop(blocks, high)
        result += original[at:start]
        result += _with_comments(original[start:end], lines)
        at = max(end, at)
    return [*result, *original[at:]]


def _blocks(original: Sequence[str], base: Sequence[str]) -> list[tuple[Span, Span]]:
    """Spans of both that belong together, in order: single lines, and groups where the layouts have more or fewer."""
    found: list[tuple[Span, Span]] = []
    for _, a1, a2, b1, b2 in SequenceMatcher(None, original, base, autojunk=False).get_opcodes():
        if a2 - a1 == b2 - b1:
            found += [((a1 + n, a1 + n + 1), (b1 + n, b1 + n + 1)) for n in range(a2 - a1)]
        else:
            found.append(((a1, a2), (b1, b2)))
    return found


def _hunks(
    base: Sequence[str], new: Sequence[str], blocks: Sequence[tuple[Span, Span]]
) -> list[tuple[Span, Sequence[str]]]:
    """What changed: a span of ``base`` that covers whole blocks, and the lines of ``new`` that take its place."""
    spans: list[tuple[Span, Span]] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, base, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        touched = [span for _, span in blocks if span[0] < max(i2, i1 + 1) and span[1] > i1 and span != (i1, i1 + 1)]
        if i1 == i2:
            touched = [span for span in touched if span[0] < i1]
        low, high = min((b1 for b1, _ in touched), default=i1), max((b2 for _, b2 in touched), default=i2)
        low, high = min(low, i1), max(high, i2)
        there = (j1 - (i1 - low), j2 + (high - i2))  # around a change both are equal, up to the next change
        if spans and spans[-1][0][1] > low:  # both lie in one block
            (before, _), (start, _) = spans.pop()
            low, there = before, (start, there[1])
        spans.append(((low, high), there))
    return [(span, new[start:end]) for span, (start, end) in spans]


def _start(blocks: Sequence[tuple[Span, Span]], line: int) -> int:
    """Where in ``original`` a block that begins at ``line`` of ``base`` begins."""
    end = max((a2 for (_, a2), _ in blocks), default=0)
    return min((a1 for (a1, _), (b1, b2) in blocks if b1 >= line and b2 > b1), default=end)


def _stop(blocks: Sequence[tuple[Span, Span]], line: int) -> int:
    """Where in ``original`` a block that ends at ``line`` of ``base`` ends."""
    return max((a2 for (_, a2), (b1, b2) in blocks if b2 <= line and b2 > b1), default=0)


def _before_comments(original: Sequence[str], position: int, least: int, lines: Sequence[str]) -> int:
    """The place for lines that are put in: before empty lines, and comments that stand further left than they."""
    own = _indent(next((line for line in lines if line.strip()), ""))
    while position > least:
        above = original[position - 1]
        if above.strip() and not (_is_comment(above) and _indent(above) < own):
            break
        position -= 1
    return position


def _with_comments(old: Sequence[str], lines: Sequence[str]) -> list[str]:
    """The new lines with the comments that the old ones had, before them or behind."""
    still = Counter(line.strip() for line in lines)
    before: list[str] = []
    behind: list[str] = []
    kept = before
    for line in old:
        if line.strip() and not _is_comment(line):
            kept = behind
        elif still[line.strip()]:
            still[line.strip()] -= 1
        else:
            kept.append(line)
    return [*before, *lines, *behind]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
