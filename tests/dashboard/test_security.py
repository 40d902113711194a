"""The page's server as a browser, a machine and a stranger see it: real requests to a real port."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.errors import SightlineError
from config.site import Server as ServerConfig
from dashboard.middleware import host_name, is_trustworthy, own_names
from dashboard.passwords import new_token
from dashboard.server import Server
from tests.support.dashboard import PASSWORD, client_of, config_of, logged_in, page, served, the_hash, until
from tests.support.face import ScriptedFace


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Server, ScriptedFace, dict[str, str]]]:
    """A server with a password and two tokens, by what they may do."""
    tokens = {"read": new_token(), "operate": new_token()}
    blocks = [{"name": name, "scopes": [name], "hash": line} for name, (_, line) in tokens.items()]
    face = ScriptedFace()
    with served(face, password_hash=the_hash(), tokens=blocks) as server:
        yield server, face, {name: token for name, (token, _) in tokens.items()}


@pytest.fixture(scope="module")
def named() -> Iterator[httpx.Client]:
    """A client of a server without a password that has a name."""
    with page(names=["cameras.example"]) as client:
        yield client


def routes_of(client: httpx.Client) -> list[tuple[str, str]]:
    """Method and path of every route of the API, with something in the place of each parameter."""
    paths = client.get("/openapi.json").json()["paths"]
    filled = {path: path.replace("{name}", "gate") for path in paths}
    return [
        (method.upper(), re.sub(r"\{[a-z_]+\}", "1", filled[path]))
        for path, methods in paths.items()
        for method in methods
    ]


def test_nothing_of_the_site_is_shown_without_a_login(guarded: tuple[Server, ScriptedFace, dict[str, str]]) -> None:
    server, face, _ = guarded
    with client_of(server) as client:
        routes = routes_of(client)
        assert len(routes) > 10
        free = {"/api/session", "/api/login"}
        for method, path in routes:
            answer = client.request(method, path)
            if path not in free:
                assert (path, answer.status_code) == (path, 401)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert "gate" not in answer.text
        assert client.get("/metrics").status_code == 401
        assert client.get("/healthz").json() == {"status": "ok"}
        said = client.get("/api/session").json()
    assert (said["login_needed"], said["logged_in"], said["csrf"], said["site"], said["version"]) == (
        True, False, None, None, None,
    )  # fmt: skip
    assert face.asked == []


def test_a_person_logs_in_works_and_logs_out(guarded: tuple[Server, ScriptedFace, dict[str, str]]) -> None:
    server, face, _ = guarded
    face.asked.clear()
    with client_of(server) as client:
        assert client.post("/api/login", json={"password": "wrong password"}).status_code == 401
        answer = client.post("/api/login", json={"password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie  # there is no TLS here
        assert (answer.json()["logged_in"], answer.json()["scopes"]) == (True, ["configure", "operate", "read"])
        assert client.get("/api/cameras").status_code == 200
        assert client.get("/metrics").status_code == 200
        switch = {"command": "detect", "on": False}
        assert client.post("/api/cameras/gate/commands", json=switch).status_code == 403
        csrf = {"X-CSRF-Token": answer.json()["csrf"]}
        assert client.post("/api/cameras/gate/commands", json=switch, headers=csrf).status_code == 202
        assert face.asked == [("detect", "gate", False)]
        stolen = dict(client.cookies)
        assert client.post("/api/logout").status_code == 403
        assert client.post("/api/logout", headers=csrf).status_code == 204
        assert not client.cookies
        assert client.get("/api/cameras").status_code == 401
    with client_of(server, cookies=stolen) as thief:
        assert thief.get("/api/cameras").status_code == 401


def test_machines_have_scopes_and_need_no_csrf(guarded: tuple[Server, ScriptedFace, dict[str, str]]) -> None:
    server, face, tokens = guarded
    face.asked.clear()
    switch = {"command": "enabled", "on": True}
    with client_of(server, headers={"Authorization": f"Bearer {tokens['read']}"}) as client:
        assert client.get("/api/stats").status_code == 200
        assert client.get("/metrics").status_code == 200
        answer = client.post("/api/cameras/gate/commands", json=switch)
        assert (answer.status_code, answer.json()["detail"]) == (
            403, "token read may not do this: it takes the scope 'operate'",
        )  # fmt: skip
    with client_of(server, headers={"Authorization": f"Bearer {tokens['operate']}"}) as client:
        assert client.post("/api/cameras/gate/commands", json=switch).status_code == 202
        assert client.post("/api/reload").status_code == 403
        assert client.get("/api/stats").status_code == 403
    with client_of(server, headers={"Authorization": "Bearer sl_unknown"}) as client:
        assert client.get("/healthz").status_code == 401
        assert "is not known" in client.get("/api/session").json()["detail"]
    assert face.asked == [("enabled", "gate", True)]


def test_wrong_tries_lock_out_and_say_for_how_long() -> None:
    with served(password_hash=the_hash()) as server, client_of(server) as client:
        codes = [client.post("/api/login", json={"password": "wrong"}).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]
        answer = client.post("/api/login", json={"password": PASSWORD})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert answer.json() == {"detail": "too many wrong passwords; try again in 10 s", "path": None}
        forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        assert client.post("/api/login", json={"password": PASSWORD}, headers=forged).status_code == 429


def test_a_login_that_is_none_uses_up_no_try() -> None:
    with served(password_hash=the_hash()) as server, client_of(server) as client:
        bodies: list[Any] = [{}, {"password": 5}, {"password": "x" * 1025}, [], None]
        for body in 2 * bodies:
            answer = client.post("/api/login", json=body)
            assert answer.status_code == 422
            assert "xxx" not in answer.text
        assert client.post("/api/login", json={"password": PASSWORD}).status_code == 200


def test_a_page_of_another_site_can_do_nothing() -> None:
    face = ScriptedFace()
    with page(face) as client:
        csrf = client.headers.pop("X-CSRF-Token")
        switch = {"command": "detect", "on": False}
        for headers in (
            {},
            {"X-CSRF-Token": csrf, "Origin": "http://evil.example"},
            {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"},
            {"X-CSRF-Token": csrf, "Host": "evil.example"},
        ):
            answer = client.post("/api/cameras/gate/commands", json=switch, headers=headers)
            assert answer.status_code in (403, 421), headers
        assert client.get("/api/stats", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        answer = client.options("/api/stats", headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        own = {"X-CSRF-Token": csrf, "Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        assert face.asked == []
        assert client.post("/api/cameras/gate/commands", json=switch, headers=own).status_code == 202


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1", 200), ("localhost:8600", 200), ("LOCALHOST.", 200), ("[::1]:8600", 200), ("192.0.2.1:80", 200),
        ("cameras.example", 200), ("other.example", 421), ("evil.example:8600", 421), ("127.0.0.1.evil.example", 421),
        ("localhost:x", 421), ("[::1", 421), ("a b", 421),
    ],
)  # fmt: skip
def test_only_names_of_ours_are_answered(host: str, code: int, named: httpx.Client) -> None:
    assert named.get("/api/session", headers={"Host": host}).status_code == code
    assert named.get("/", headers={"Host": host}).status_code == code
    assert named.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("scheme", "host", "sent"),
    [
        ("http", "localhost:8600", True), ("http", "[::1]:8600", True), ("http", "127.9.0.1", True),
        ("http", "cameras.example", False), ("http", "192.0.2.1:80", False), ("http", "", False),
        ("https", "cameras.example", True),
    ],
)  # fmt: skip
def test_where_browsers_would_warn_of_a_header_it_is_not_sent(scheme: str, host: str, sent: bool) -> None:
    assert is_trustworthy({"scheme": scheme, "headers": [(b"host", host.encode())]}) == sent


def test_names_of_hosts_are_read() -> None:
    assert host_name("a.b:80") == "a.b"
    assert host_name("[::1]:80") == host_name("[::1]") == "::1"
    assert [host_name(text) for text in ("", ":80", "a:", "[::1]80", "a:b:c")] == [None, None, None, "::1", None]
    assert {"localhost", socket.gethostname().lower()} <= own_names()


def test_headers_are_on_every_answer() -> None:
    with page() as client:
        for path in ("/", "/api/session", "/api/nothing", "/static/nothing.js", "/healthz", "/openapi.json"):
            headers = client.get(path).headers
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert "server" not in headers
        assert client.get("/api/session").headers["cache-control"] == "no-store"


def test_errors_have_one_form_and_tell_no_more_than_needed(caplog: pytest.LogCaptureFixture) -> None:
    face = ScriptedFace()

    def broken() -> Any:
        raise ValueError("of password hunter2")

    with page(face) as client:
        assert client.get("/api/nothing").json() == {"detail": "Not Found", "path": None}
        assert client.get("/api/cameras/nobody").status_code == 404
        assert client.delete("/api/cameras").json()["detail"] == "Method Not Allowed"
        wrong = client.post("/api/cameras/gate/commands", json={"command": "explode", "on": "maybe"})
        assert wrong.status_code == 422
        assert wrong.json()["detail"].startswith("command: Input should be 'detect' or 'enabled'; on: ")
        face.stats = broken  # type: ignore[method-assign]
        answer = client.get("/api/stats")
        assert (answer.status_code, answer.json()) == (
            500, {"detail": "this could not be done; the log says why", "path": None},
        )  # fmt: skip
        assert client.get("/api/session").status_code == 200
    assert "hunter2" in caplog.text


def test_bodies_are_bounded_in_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.middleware.Bodies.__init__.__defaults__", (1000, 0.3))
    with served() as server:
        with client_of(server) as client:
            assert client.post("/api/login", content=b"x" * 1001).status_code == 413
            assert client.post("/api/login", content=iter([b"x" * 600, b"x" * 600])).status_code == 413
            assert client.post("/api/login", content=b"x" * 1000).status_code == 422
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as slow:
            slow.sendall(b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as huge:
            huge.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            assert b" 400 " in huge.recv(4096).split(b"\r\n")[0]


def test_strangers_bring_little(tmp_path: Path) -> None:
    with served(password_hash=the_hash()) as server:
        with client_of(server) as stranger:
            for content in (b"x" * 4097, iter([b"x" * 4000, b"x" * 4000])):
                answer = stranger.put("/api/config", content=content)
                assert (answer.status_code, answer.json()["detail"]) == (413, "a request has at most 4096 bytes")
            forged = {"authorization": "Bearer nobody", "cookie": "sightline=nobody"}
            assert stranger.put("/api/config", content=b"x" * 4097, headers=forged).status_code == 413
            assert stranger.put("/api/config", content=b"x" * 4096).status_code in (401, 422)
        with client_of(server) as client:
            operator = logged_in(client)
            assert operator.put("/api/config", content=b"x" * 4097).status_code == 422


def test_paths_never_lead_out_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "static"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Sightline</title>")
    (folder / "js" / "main.js").write_text("// ours" * 500)
    (folder / "secret.yaml").write_text("no kind of a page")
    (tmp_path / "outside.js").write_text("// outside")
    (folder / "link.js").symlink_to(tmp_path / "outside.js")
    monkeypatch.setattr("dashboard.files.router.__defaults__", (folder,))
    with page() as client:
        found = client.get("/")
        assert (found.status_code, found.text) == (200, "<title>Sightline</title>")
        script = client.get("/static/js/main.js", headers={"Accept-Encoding": "gzip"})
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert script.headers["content-encoding"] == "gzip"
        assert script.text == "// ours" * 500
        again = client.get("/static/js/main.js", headers={"If-None-Match": script.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("../outside.js", "%2e%2e/outside.js", "link.js", "secret.yaml", "js", "", "js/../../outside.js"):
            raw = client.build_request("GET", "/static/x")
            raw.url = raw.url.copy_with(raw_path=f"/static/{name}".encode())
            assert client.send(raw).status_code == 404, name


def test_without_its_files_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.files.router.__defaults__", (tmp_path / "nothing",))
    with page() as client:
        answer = client.get("/")
        assert answer.status_code == 200
        assert "not installed" in answer.text


def test_an_open_address_needs_a_password_and_tls_is_advised(caplog: pytest.LogCaptureFixture) -> None:
    anywhere = "0.0.0.0"  # noqa: S104
    server = Server(config_of(host=anywhere), ScriptedFace())
    with pytest.raises(SightlineError, match=r"the page has no password: make one with 'app\.py passwd'"):
        server.start()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)
    with served(host=anywhere, password_hash=the_hash()) as server, client_of(server) as client:
        assert client.get("/api/cameras").status_code == 401
    assert "without TLS: passwords can be read on their way" in caplog.text


def test_over_tls_the_cookie_is_for_this_host_alone(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    with served(password_hash=the_hash(), tls=tls) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with httpx.Client(base_url=server.url, verify=context, trust_env=False) as client:
            answer = client.post("/api/login", json={"password": PASSWORD})
            assert answer.headers["set-cookie"].startswith("__Host-sightline=")
            assert "Secure" in answer.headers["set-cookie"].split("; ")
            assert client.get("/api/cameras").status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False, timeout=3)


def test_streams_end_with_the_session() -> None:
    face = ScriptedFace()
    with served(face, password_hash=the_hash(), session_hours=0.0002) as server, client_of(server) as client:
        logged_in(client)
        start = time.monotonic()
        with client.stream("GET", "/api/stream") as stream:
            assert list(stream.iter_bytes())
        assert time.monotonic() - start < 8
        until(lambda: client.get("/api/stats").status_code == 401, "the session goes on")


def test_the_small_service_serves_nothing_of_the_page() -> None:
    with served(dashboard=False) as server, client_of(server) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/metrics").status_code == 200
        for path in ("/", "/api/session", "/api/cameras", "/openapi.json", "/static/index.html"):
            assert client.get(path).status_code == 404, path


def test_the_default_is_this_machine_alone() -> None:
    assert (ServerConfig().host, ServerConfig().port, ServerConfig().dashboard) == ("127.0.0.1", 8600, True)
