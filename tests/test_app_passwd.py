"""``passwd`` and ``analyze --serve`` as people call them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import yaml

from config.server import Server, Token
from dashboard.passwords import is_password, is_token
from tests.support.cli import call_app


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_password_becomes_one_line_for_the_site_file(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, "correct horse\nnot read\n")
    done = call_app(capfd, ["passwd"])
    assert done.code == 0
    assert "correct horse" not in done.out + done.err
    assert "server.password_hash" in done.err
    (line,) = done.out.splitlines()
    assert is_password("correct horse", line)
    config = Server.model_validate(yaml.safe_load(f"password_hash: {line}"))  # it needs no quotes
    assert config.password_hash is not None


@pytest.mark.parametrize(("text", "why"), [("", "at least 8"), ("short\n", "at least 8"), ("x" * 2000, "at most 1024")])
def test_a_password_that_is_none_is_one_sentence(
    text: str, why: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, text)
    call_app(capfd, ["passwd"]).failed(2, why)


def test_at_a_terminal_it_is_asked_for_twice(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["correct horse", "correct house", "correct horse", "correct horse"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    monkeypatch.setattr("sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    call_app(capfd, ["passwd"]).failed(2, "the two passwords differ")
    done = call_app(capfd, ["passwd"])
    assert is_password("correct horse", done.out.strip())


def test_a_token_is_shown_once_beside_its_lines(capfd: pytest.CaptureFixture[str]) -> None:
    done = call_app(capfd, ["passwd", "--token", "grafana", "--scopes", "read,operate"])
    assert done.code == 0
    (token,) = re.findall(r"sl_[\w-]+", done.err)
    assert token not in done.out
    (block,) = yaml.safe_load(done.out)["tokens"]
    made = Token.model_validate(block)
    assert (made.name, made.scopes) == ("grafana", ("read", "operate"))
    assert is_token(token, made.hash.get_secret_value())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--token", "A b"], "--token: a name has a-z"),
        (["--token", "a", "--scopes", "write"], "--scopes: scopes are read"),
    ],
)
def test_a_token_that_cannot_be_is_one_sentence(
    arguments: list[str], why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    call_app(capfd, ["passwd", *arguments]).failed(2, why)


def test_a_port_is_of_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    call_app(capfd, ["analyze", "video.mp4", "--port", "1"]).failed(2, "--port is of the page; add --serve")


def test_analyze_serves_the_site_files_server_and_refuses_what_run_refuses(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text(
        "version: 1\ncameras: {gate: {source: x.mp4}}\nserver: {host: 0.0.0.0, dashboard: false}\n"
    )
    arguments = ["analyze", str(tmp_path / "no.mp4"), "-c", str(tmp_path / "site.yaml"), "--serve"]
    call_app(capfd, arguments).failed(2, "server.host", "the page has no password")
