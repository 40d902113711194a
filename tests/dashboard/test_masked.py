"""A site file's text without secrets, and back."""

from __future__ import annotations

import re

import pytest
import yaml

from config.errors import ConfigError
from dashboard.masked import masked, unmasked

TEXT = """\
version: 1
mqtt:
  username: me
  password: hunter22   # not hunter23, and not: hunter22
  # password: the-old-one
cameras:
  a:
    source: rtsp://admin:p@ss/w0rd@10.0.0.1/x?token=abcdef12&profile=main  # was rtsp://root:toor@10.0.0.2
    password: ${CAM:-fallback}
  b: {source: "rtsp://tok3n@10.0.0.9/s", password: 'it''s'}
  c:
    source: x.mp4
    password: |
      line-one
  d:
    source: "rtsp://u:pw%41\\u0042cd@h/x"
    password: ${ONLY_A_NAME}
  e:
    source: gst:rtspsrc location=rtsp://h/x user-id=me user-pw="gstpw" ! decodebin
server:
  password_hash: $argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo
  tokens:
    - {name: t, hash: "sha256:0123456789abcdef"}
"""
SECRETS = (
    "hunter22", "the-old-one", "p@ss", "w0rd", "abcdef12", "toor", "fallback", "tok3n", "it''s", "line-one", "pw%41",
    "gstpw", "argon2id", "0123456789abcdef",
)  # fmt: skip


def test_no_secret_is_shown_and_all_come_back() -> None:
    shown = masked(TEXT)
    assert [secret for secret in SECRETS if secret in shown.text] == []
    assert unmasked(shown.text, shown) == TEXT
    assert len(shown.text.splitlines()) == len(TEXT.splitlines())


def test_what_is_no_secret_stays() -> None:
    shown = masked(TEXT).text
    for word in (
        "${CAM:-<hidden-",
        "${ONLY_A_NAME}",
        "rtsp://admin:<hidden-",
        "@10.0.0.1/x?",
        "hunter23",
        "user-id=me",
    ):
        assert word in shown
    assert yaml.safe_load(shown)["cameras"]["c"]["source"] == "x.mp4"


def test_placeholders_may_move_with_their_keys() -> None:
    shown = masked(TEXT)
    moved = shown.text.replace("  a:\n", "  renamed:\n").replace("version: 1", "version: 1\nsite: moved")
    assert unmasked(moved, shown) == TEXT.replace("  a:\n", "  renamed:\n").replace(
        "version: 1", "version: 1\nsite: moved"
    )


def test_a_new_password_takes_the_place_of_a_placeholder() -> None:
    shown = masked("mqtt: {password: old-secret}\n")
    assert unmasked(shown.text.replace("<hidden-1>", "new-secret"), shown) == "mqtt: {password: new-secret}\n"


def test_a_placeholder_does_not_carry_a_secret_into_the_open() -> None:
    shown = masked("site: x\nmqtt: {password: old-secret, prefix: a}\n# password: another\n")
    for wrong, fault in (
        ("site: <hidden-1>", "1: site: <hidden-1> was behind 'password' of 'mqtt'"),
        ("site: <hidden-2>", "1: site: <hidden-2> was in a comment"),
        ("site: <hidden-9>", "1: <hidden-9> stands for nothing"),
    ):
        with pytest.raises(ConfigError, match=re.escape(fault)):
            unmasked(shown.text.replace("site: x", wrong), shown)


def test_a_file_that_has_such_a_word_already() -> None:
    text = "site: <hidden-1>\nmqtt: {password: secret}\n"
    shown = masked(text)
    assert shown.text == "site: <hidden-1>\nmqtt: {password: <hiddenx-1>}\n"
    assert unmasked(shown.text, shown) == text


def test_a_broken_file_is_shown_without_secrets_and_can_be_mended() -> None:
    text = "mqtt: {password: old-secret\ncameras:\n  a:\n    source: rtsp://u:pw1234@h/\n    password: 'other'\n  ]\n"
    shown = masked(text)
    assert not any(secret in shown.text for secret in ("old-secret", "pw1234", "other"))
    assert unmasked(shown.text, shown) == text


def test_known_secrets_are_hidden_in_comments_too() -> None:
    shown = masked("a: 1   # from-the-environment is the password\n", {"from-the-environment"})
    assert shown.text == "a: 1   # <hidden-1> is the password\n"


def test_a_comment_without_a_password_hides_no_line_below() -> None:
    text = "a:\n  # password:\n  source: x.mp4\n  # no password :\n  rules: [{kind: dwell}]\n"
    assert masked(text).text == text


@pytest.mark.parametrize("value", ["hunter22", '"hunter22"', "!!str 'hunter22'", "|\n   hunter22"])
def test_what_aliases_refer_to_stays(value: str) -> None:
    text = f"a:\n  password: &pw {value}\nb:\n  password: *pw\n"
    shown = masked(text)
    assert "password: &pw" in shown.text and "hunter22" not in shown.text
    assert yaml.safe_load(shown.text)["b"] == yaml.safe_load(shown.text)["a"]
    assert unmasked(shown.text, shown) == text


@pytest.mark.parametrize("password", ["&Summer 2024", "!Summer 2024", "!Summer2024", "&Summer2024"])
def test_a_password_that_looks_like_an_anchor_is_hidden(password: str) -> None:
    assert "Summer" not in masked(f"a:\n  password: {password}\n").text


@pytest.mark.parametrize("text", ["", "\n", "[]", "- 1", "a: &x [*x]", "a: *b", "\t", "# only\n", "a: 'open"])
def test_any_text_can_be_shown(text: str) -> None:
    shown = masked(text)
    assert unmasked(shown.text, shown) == text


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {a: {source: x}}\n# hash: hunter22\n", "cameras: {a: {source: x}}\n# Password: hunter22\n",
        "cameras: {a: {source: x}}\n# source: http://10.0.0.1/v?token=hunter22\n",
        "cameras:\n  a:\n    password: &pw hunter22\n    username: *pw\n", "a: {password: {hunter22: 1}}\n",
        "a: {password: [hunter22]}\n", "a:\n  password:\n    hunter22\n  b: [\n",
        "a:\n  password: |\n    hunter22\n  b: [\n",
    ],
)  # fmt: skip
def test_nor_in_a_place_where_it_is_easily_overlooked(text: str) -> None:
    shown = masked(text)
    assert "hunter22" not in shown.text
    assert unmasked(shown.text, shown) == text


def test_in_a_broken_file_known_secrets_are_hidden_wherever_they_are() -> None:
    text = "a: [\nnote: it is hunter22\n  password:\n  b: 1\n"
    shown = masked(text, ["hunter22"])
    assert "hunter22" not in shown.text
    assert "b: 1" in shown.text  # no value of the key above: it is no further in
    assert unmasked(shown.text, shown) == text
