"""What of a source must not be shown, wherever a library quotes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.live.plan import plan_site
from pipelines.logs import Redactor
from pipelines.secrets import secrets_in
from tests.support.live import write_site


@pytest.mark.parametrize(
    ("source", "secrets"),
    [
        ("rtsp://cam/stream1", set()),
        ("rtsp://user:hunter2@cam/1", {"hunter2"}),
        ("rtsp://user:p%40ss%2Fword@cam:554/1", {"p%40ss%2Fword", "p@ss/word"}),
        ("rtsp://user@cam/1", set()),
        ("http://cam/x?token=a1b2c3d4&channel=1", {"token=a1b2c3d4", "a1b2c3d4"}),
        ("http://cam/x?token=abcd;n=12", {"token=abcd", "abcd"}),
        ("http://cam/x?key=a%2Fb%2Bc", {"key=a%2Fb%2Bc", "key=a/b+c", "a%2Fb%2Bc", "a/b+c"}),
        ("http://cam/x?profile=main", {"profile=main"}),  # the word alone is too common to be hidden
        ("http://cam/x?0123456789abcdef", {"0123456789abcdef"}),
        ("http://u:secret1@cam/x?user=admin&pwd=letmein#t=1",
         {"secret1", "user=admin", "admin", "pwd=letmein", "letmein"}),
        ("rtsp://u:it's@cam/x", {"it's"}),
        ("/dev/video0", set()),
        ("videos/a?b=cdefghij.mp4", set()),
        ("gst:videotestsrc is-live=true ! queue", set()),
        ("gst:rtspsrc location=rtsp://cam/1 user-id=admin user-pw=hunter2 ! decodebin", {"hunter2"}),
        ('gst:rtspsrc user-pw="two words" location="rtsp://a:b%40cd@cam/1?sig=12345678"',
         {"two words", "b%40cd", "b@cd", "sig=12345678", "12345678"}),
        (r"gst:x password='it\'s' proxy-pw = four ! y", {r"it\'s", "it's", "four"}),
        ("gst:srtsrc uri=srt://cam:9000?passphrase=longenough1 passphrase=other2 !", {
            "passphrase=longenough1", "longenough1", "other2"}),
    ],
)  # fmt: skip
def test_secrets_of_a_source(source: str, secrets: set[str]) -> None:
    assert secrets_in(source) == secrets


def test_what_a_library_quotes_of_a_source_is_not_in_the_log(tmp_path: Path, models_dir: Path) -> None:
    cameras = {
        "a": {"source": "rtsp://user:p%40ssw0rd@192.0.2.1/1?token=t0ps3cret"},
        "b": {"source": "gst:rtspsrc location=rtsp://192.0.2.2/1 user-pw=hunter22 ! decodebin", "backend": "gstreamer"},
        "c": {"source": "rtsp://192.0.2.3/1", "username": "u", "password": "of-its-own"},
    }
    plan = plan_site(write_site(tmp_path / "site.yaml", cameras), False, False, print)
    said = Redactor(plan.secrets())("'p@ssw0rd' of GET /1?token=t0ps3cret HTTP/1.1; pw hunter22, of-its-own; t0ps3cret")
    assert said == "'***' of GET /1?*** HTTP/1.1; pw ***, ***; ***"
