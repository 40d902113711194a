"""What several routers ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from dashboard.refusal import Refusal
from pipelines.layers import LAYERS, Layer
from pipelines.live.face import CameraFace, SiteFace

CameraName = Annotated[str, Field(max_length=64, description="name of a camera")]
Layers = Annotated[
    str | None,
    Field(max_length=80, description=f"of {','.join(LAYERS)}, or none; default: boxes,tracks,lines,zones"),
]
Width = Annotated[int, Field(ge=160, le=1920, description="pixels at most; rounded up to multiples of 80")]
DEFAULT_LAYERS: frozenset[Layer] = frozenset({"boxes", "tracks", "lines", "zones"})
_STEP = 80


class Fault(BaseModel):
    """Every error: what is wrong, in a sentence, and where."""

    detail: str
    path: str | None = Field(description="the place in the site file, where it is about one")


def camera_of(face: SiteFace, name: str) -> CameraFace:
    """A camera by its name, which is looked up and never anything else.

    Raises:
        Refusal: There is none.
    """
    camera = face.cameras().get(name)
    if camera is None:
        raise Refusal(404, "there is no camera of this name; /api/cameras has them all")
    return camera


def layers_of(text: str | None) -> frozenset[Layer]:
    """Layers as they are written in a query.

    Raises:
        Refusal: One is not known.
    """
    if text is None:
        return DEFAULT_LAYERS
    words = {word for word in text.split(",") if word and word != "none"}
    if not words <= set(LAYERS):
        raise Refusal(422, f"layers: expected some of {', '.join(LAYERS)}, separated by commas, or none")
    return frozenset(layer for layer in LAYERS if layer in words)


def stepped(width: int) -> int:
    """A width that many ask for: pictures of the same size are encoded once."""
    return -(-width // _STEP) * _STEP
