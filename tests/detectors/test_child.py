"""Processes of Sightline's own."""

from __future__ import annotations

from detectors.child import run_child


def test_a_childs_lines_are_heard_and_its_last_words_kept() -> None:
    heard: list[str] = []
    script = "import sys; print('one'); print('two'); sys.exit('what went\\nwrong')"
    assert run_child("-c", script, on_line=heard.append) == (1, "what went wrong")
    assert heard == ["one", "two"]
    assert run_child("-c", "pass") == (0, "it said nothing")
