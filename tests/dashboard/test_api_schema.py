"""Whatever is sent to the API as it describes itself: no fault of ours, and answers of the form that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from config.site import Server
from pipelines.live.plan import plan_site
from tests.dashboard.test_api_data import SITE
from tests.support.face import ScriptedFace, camera_face
from tests.support.page_client import PageClient

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (extra 'dev')")
ENDLESS = {"/api/stream", "/api/cameras/{name}/live"}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[PageClient]:
    """A site of two cameras that do not move, with a file that may be changed and a history."""
    folder = tmp_path_factory.mktemp("site")
    face = ScriptedFace(camera_face("gate"), camera_face("yard"))
    face.file = folder / "site.yaml"
    face.file.write_text(SITE)
    face.in_force = plan_site(face.file, False, False, lambda line: None)
    with PageClient(face) as client:
        yield client


def operations() -> list[str]:
    """Method and path of everything that has an end; known without a running server."""
    from dashboard.application import application

    described = application(Server(history={"enabled": False}), ScriptedFace(camera_face("gate"))).openapi()  # type: ignore[arg-type]
    return [
        f"{method.upper()} {path}"
        for path, methods in described["paths"].items()
        if path not in ENDLESS
        for method in methods
    ]


@pytest.mark.parametrize("operation", operations())
def test_no_request_is_a_fault_of_ours(operation: str, page: PageClient) -> None:
    method, path = operation.split(" ", 1)
    schema = schemathesis.openapi.from_url(f"http://{page.server.address}/openapi.json")
    csrf = page.get("/api/session").json["csrf"]

    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def send(case: schemathesis.Case) -> None:
        case.headers = {**(case.headers or {}), "X-CSRF-Token": csrf}
        case.validate_response(case.call(timeout=60), checks=CHECKS)

    send()
