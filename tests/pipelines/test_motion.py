"""The motion gate on real pictures that are disturbed and walked over, and on real videos."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from config.site import Motion
from pipelines.geometry import iou
from pipelines.motion import MotionGate, largest_cluster, small_copy
from streams.open import open_source

if TYPE_CHECKING:
    from pipelines.loaded import LoadedModel

Luma = NDArray[np.uint8]
Scene = Callable[[float], Luma]
Box = tuple[float, float, float, float]
WIDTH, HEIGHT = 640, 360
BACKGROUNDS = ("one-by-one-person-detection", "traffic", "store-aisle-detection")
LATE_S = 2.1
"""Seconds after which a change that stays is the new scene."""


@cache
def first_picture(path: Path) -> Luma:
    with open_source(path, "cam", "opencv") as source:
        image = next(iter(source)).image
    return np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (WIDTH, HEIGHT)), np.uint8)


@pytest.fixture(params=BACKGROUNDS)
def background(request: pytest.FixtureRequest, data_dir: Path) -> Luma:
    return first_picture(data_dir / f"{request.param}.mp4")


@pytest.fixture
def street(data_dir: Path) -> Luma:
    return first_picture(data_dir / "traffic.mp4")


class Noise:
    """Sensor noise: sixteen fields, shifted at random for each picture."""

    def __init__(self, sigma: float) -> None:
        self._random = np.random.default_rng(round(sigma * 10))
        self._sigma = sigma
        self._fields = self._random.normal(0, sigma, (16, HEIGHT, WIDTH)).astype(np.int16)

    def __call__(self, picture: NDArray[Any]) -> Luma:
        grey: Luma = np.clip(picture, 0, 255).astype(np.uint8)
        if not self._sigma:
            return grey
        field = np.roll(self._fields[self._random.integers(16)], self._random.integers(HEIGHT * WIDTH))
        return np.asarray(cv2.add(grey, field, dtype=cv2.CV_8U), np.uint8)


def opened(scene: Scene, seconds: float, fps: float = 10, gate: MotionGate | None = None, **keys: float) -> list[bool]:
    """Whether the gate was open, frame by frame."""
    gate = gate or MotionGate(Motion.model_validate(keys))
    return [gate.moves(scene(index / fps), index / fps) for index in range(round(seconds * fps))]


def with_object(
    picture: Luma, x: float, y: float, width: int, height: int, contrast: float = 30.0
) -> NDArray[np.float32]:
    """Something at (x, y), left top, to a fraction of a pixel; half lighter, half darker than what is behind it."""
    body = np.zeros((HEIGHT, WIDTH), np.float32)
    body[round(y) : round(y) + height, int(x) : int(x) + width] = 1
    cover = cv2.warpAffine(body, np.array([[1, 0, x - int(x)], [0, 1, 0]], np.float32), (WIDTH, HEIGHT))
    middle = float(picture[round(y) : round(y) + height, max(0, int(x) - 10) : int(x) + width + 10].mean())
    middle = float(np.clip(middle, contrast, 255 - contrast))
    paint = np.full((HEIGHT, WIDTH), middle + contrast, np.float32)
    paint[round(y) + height // 2 :] = middle - contrast
    return np.asarray(picture * (1 - cover) + paint * cover, np.float32)


# -- nothing moves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0, 4, 12])
def test_a_still_scene_is_analysed_for_a_second(background: Luma, sigma: float) -> None:
    noise = Noise(sigma)
    assert opened(lambda t: noise(background), 20) == [True] * 10 + [False] * 190


@pytest.mark.parametrize("fps", [2, 5, 25])
def test_at_any_frame_rate(street: Luma, fps: float) -> None:
    noise = Noise(6)
    count = round(fps)
    assert opened(lambda t: noise(street), 6, fps) == [True] * count + [False] * (5 * count)
    seen = opened(lambda t: noise(with_object(street, 100 + 20 * t, 200, 20, 40) if t >= 5 else street), 8, fps)
    assert seen[count:] == [False] * (4 * count) + [True] * (3 * count)


def test_flickering_pixels_all_over_are_nothing(street: Luma) -> None:
    random = np.random.default_rng(5)

    def scene(t: float) -> Luma:
        picture = street.copy()
        where = random.random(street.shape) < 0.001
        picture[where] = random.choice(np.array([0, 255], np.uint8), int(where.sum()))
        return picture

    assert not any(opened(scene, 20)[10:])


def test_one_look_each_recheck_s(street: Luma) -> None:
    seen = opened(lambda t: street, 36, recheck_s=10.0)
    assert [index / 10 for index, is_open in enumerate(seen) if is_open][10:] == pytest.approx([10.9, 20.9, 30.9])


ENCODED = {"good": (23, 6, 50), "poor": (35, 12, 20), "pulsing key frames": (40, 4, 20)}


@pytest.mark.parametrize(
    ("background", "crf", "sigma", "gop"),
    [  # each background and each way to encode once, and all of them in the long form
        pytest.param(name, *how, id=f"{name}-{kind}", marks=() if one == two else pytest.mark.slow)
        for one, name in enumerate(BACKGROUNDS)
        for two, (kind, how) in enumerate(ENCODED.items())
    ],
    indirect=["background"],
)
def test_noise_through_h264(background: Luma, crf: int, sigma: float, gop: int) -> None:
    noise = Noise(sigma)
    gate = MotionGate(Motion())
    pictures = through_h264((noise(background) for _ in range(300)), crf, gop)
    seen = [gate.moves(luma, index / 10) for index, luma in enumerate(pictures)]
    assert len(seen) == 300
    assert seen.count(False) / 300 >= 0.95


def through_h264(pictures: Iterable[Luma], crf: int, gop: int) -> Iterator[Luma]:
    """The pictures as libx264 leaves them, rows padded as FFmpeg gives them."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        options = {"crf": str(crf), "g": str(gop), "preset": "veryfast"}
        stream = output.add_stream("libx264", rate=10, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            yield np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


# -- what changes without moving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "seconds", "sigma"),
    [(0.6, 20, 0), (0.6, 20, 12), (-0.6, 20, 0), (-0.6, 20, 12), (0.6, 10, 0), (-0.6, 6, 0), (-0.6, 6, 12)],
)
def test_a_fade_does_not_hold_it_open(background: Luma, change: float, seconds: float, sigma: float) -> None:
    """±60 % in 20 s and faster. On the way up large parts saturate; that may open it once."""
    noise = Noise(sigma)
    seen = opened(lambda t: noise(background * (1 + change * min(max(0, t - 2) / seconds, 1))), seconds + 4)
    assert seen[10:].count(True) <= (0 if change < 0 else 35)


@pytest.mark.parametrize("sigma", [0, 4])
@pytest.mark.parametrize("disturbance", ["lamp everywhere", "lamp in a corner", "lamp off", "infrared"])
def test_a_step_opens_it_for_3_s_at_most(background: Luma, disturbance: str, sigma: float) -> None:
    noise = Noise(sigma)
    spot = np.ones((HEIGHT, WIDTH), np.float32)
    spot[100:250, 200:420] = 1.9
    after = {
        "lamp everywhere": background * 1.7,
        "lamp in a corner": background * spot,
        "lamp off": background * 0.3,
        "infrared": 255 - 0.8 * cv2.GaussianBlur(background, (5, 5), 0),
    }[disturbance]
    seen = opened(lambda t: noise(after if t >= 5 else background), 20)
    assert not any(seen[10:50])
    assert not any(seen[80:])


def test_after_a_lamp_it_sees_as_well_as_before(background: Luma) -> None:
    noise = Noise(4)
    lit = np.clip(background * 1.5, 0, 255).astype(np.uint8)

    def scene(t: float) -> Luma:
        light = lit if t >= 5 else background
        return noise(with_object(light, 100 + 20 * t, 200, 8, 16) if t >= 9 else light)

    seen = opened(scene, 12)
    assert seen[80:90] == [False] * 10
    assert all(seen[90:])


# -- what moves ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y", [pytest.param(60, marks=pytest.mark.slow), 170, pytest.param(280, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("width", "height", "speed", "sigma"),
    [
        *((8, 16, 15, 0), (8, 16, 15, 12), (8, 16, 60, 0), (8, 16, 60, 12)),
        *((40, 60, 60, 12), (40, 60, 3, 0), (40, 60, 3, 12), (40, 60, 2, 0), (40, 60, 2, 6)),
        *((200, 60, 200, 0), (200, 60, 200, 12)),
    ],
)
def test_what_moves_is_seen_at_once_and_all_the_time(
    background: Luma, width: int, height: int, speed: float, sigma: float, y: int
) -> None:
    """From the least area on, from 2 pixels a second on (3 in much noise), 30 grey levels from what is behind it."""
    noise = Noise(sigma)

    def scene(t: float) -> Luma:
        return noise(with_object(background, 100 + speed * (t - 3), y, width, height) if t >= 3 else background)

    seen = opened(scene, 3 + min(4, 330 / speed))
    assert not any(seen[10:30])
    assert all(seen[30:])


@pytest.mark.parametrize("hold_s", [0.0, 1.0, 3.0])
def test_what_stops_is_analysed_standing_still(background: Luma, hold_s: float) -> None:
    noise = Noise(4)
    stops = 6.0

    def scene(t: float) -> Luma:
        return noise(with_object(background, 100 + 40 * (min(t, stops) - 3), 150, 30, 80) if t >= 3 else background)

    seen = opened(scene, 15, hold_s=hold_s)
    assert all(seen[30 : round(10 * (stops + hold_s)) + 1])
    assert not any(seen[round(10 * (stops + hold_s + LATE_S)) :])


def test_min_area_is_what_must_change(street: Luma) -> None:
    def area_moves(side: int) -> bool:
        def scene(t: float) -> Luma:
            moved = with_object(street, 100 + 30 * (t - 3), 100, side, side) if t >= 3 else street
            return moved.astype(np.uint8)

        return any(opened(scene, 6, min_area=0.02)[30:])

    assert not area_moves(round((0.005 * WIDTH * HEIGHT) ** 0.5))
    assert area_moves(round((0.04 * WIDTH * HEIGHT) ** 0.5))


# -- new starts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap_s", "starts"), [(1.9, False), (2.1, True), (600.0, True), (-3.0, True)])
def test_a_gap_is_a_new_start(street: Luma, gap_s: float, starts: bool) -> None:
    gate = MotionGate(Motion())
    assert not any(opened(lambda t: street, 5, gate=gate)[10:])
    later = 4.9 + gap_s
    seen = [gate.moves(street, later + index / 10) for index in range(20)]
    assert seen == [starts] * 10 + [False] * 10


def test_a_new_size_is_a_new_start(street: Luma) -> None:
    gate = MotionGate(Motion())
    assert not any(opened(lambda t: street, 5, gate=gate)[10:])
    half = np.ascontiguousarray(street[::2, ::2])
    assert [gate.moves(half, 5 + index / 10) for index in range(20)] == [True] * 10 + [False] * 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (90, 160), (343, 611), (1920, 1080)])
def test_any_size(shape: tuple[int, int]) -> None:
    luma = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    assert max(small_copy(luma).shape) < 320 or min(shape) == 1
    assert opened(lambda t: luma, 2) == [True] * 10 + [False] * 10


def test_memory_is_constant() -> None:
    random = np.random.default_rng(1)
    pictures = random.integers(0, 255, (7, 90, 160), np.uint8)
    gate = MotionGate(Motion())

    def used(start: int, count: int) -> int:
        for index in range(start, start + count):
            gate.moves(pictures[index % 7], index / 10)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = used(0, 60)
        assert used(60, 2_000) - before < 20_000
    finally:
        tracemalloc.stop()


def test_changes_count_where_they_are_together() -> None:
    changed = np.zeros((90, 160), np.uint8)
    changed[::10, ::10] = 255
    assert largest_cluster(changed, 0.0005) == 1
    changed[40:43, 71:74] = 255
    assert largest_cluster(changed, 0.0005) == 9 + 1
    assert largest_cluster(np.zeros_like(changed), 0.0005) == 0


# -- real videos ---------------------------------------------------------------------------------------------------


def due_frames(path: Path, until_s: float = 1e9) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """About ten pictures a second."""
    due_s = 0.0
    with open_source(path, "cam", "opencv") as source:
        for frame in source:
            if frame.pts_s >= until_s:
                return
            if frame.pts_s >= due_s - 1e-3:
                due_s = max(due_s + 0.1, frame.pts_s)
                yield frame.pts_s, frame.image


@pytest.mark.parametrize("name", ["traffic", "people-detection", "highway", "worker-zone-detection"])
def test_where_something_moves_all_the_time_nothing_is_left_out(data_dir: Path, name: str) -> None:
    """The start and the hold would hide something: a gate that needs neither."""
    gate = MotionGate(Motion(hold_s=0))
    seen = [
        (pts_s, gate.moves(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8), pts_s))
        for pts_s, image in due_frames(data_dir / f"{name}.mp4")
    ]
    assert len(seen) > 15
    assert [pts_s for pts_s, is_open in seen if not is_open] == []


@pytest.mark.slow
def test_persons_who_enter_and_leave(
    data_dir: Path, yolov8n: LoadedModel, record_property: Callable[[str, object], None]
) -> None:
    """Truth is what YOLOv8n finds: open whenever a person moves, closed where nobody is."""
    gate = MotionGate(Motion())
    seen: list[tuple[float, bool]] = []
    persons: list[tuple[float, list[Box]]] = []
    for index, (pts_s, image) in enumerate(due_frames(data_dir / "one-by-one-person-detection.mp4", until_s=30)):
        seen.append((pts_s, gate.moves(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8), pts_s)))
        if index % 2 == 0:
            found = yolov8n.detector.detect([image])[0]
            boxes = [tuple(found.xyxy[row].tolist()) for row in range(len(found)) if found.label(row) == "person"]
            persons.append((pts_s, boxes))
    is_open = dict(seen)
    moving = [
        now_s
        for (_, before), (now_s, now) in zip(persons, persons[2:], strict=False)
        if any(max((iou(box, old) for old in before), default=0.0) < 0.85 for box in now)
    ]
    times = np.array([pts_s for pts_s, boxes in persons if boxes])
    empty = [pts_s for pts_s, _ in seen if pts_s >= 1 and not np.any((times > pts_s - 3) & (times < pts_s + 1.5))]
    gated = sum(not is_open[pts_s] for pts_s in empty) / len(empty)
    record_property("gated_share_of_empty_stretches", gated)
    print(f"{len(moving)} frames with a moving person; {gated:.0%} of {len(empty)} empty frames gated")
    assert len(moving) > 20
    assert [pts_s for pts_s in moving if not is_open[pts_s]] == []
    assert len(empty) > 15
    assert gated >= 0.7


def test_what_moves_in_a_mask_does_not_count(street: Luma) -> None:
    """A running clock in a corner, as most cameras show one; the same thing elsewhere opens the gate."""
    corner = ((0.0, 0.0), (0.3, 0.0), (0.3, 0.15), (0.0, 0.15))
    masked, open_everywhere = MotionGate(Motion(), [corner]), MotionGate(Motion())
    seen: list[tuple[bool, bool]] = []
    for number in range(60):
        picture = street.copy()
        picture[10:30, 20 + 7 * (number % 10) : 40 + 7 * (number % 10)] = 255 * (number % 2)
        seen.append((masked.moves(picture, number / 10), open_everywhere.moves(picture, number / 10)))
    assert [inside for inside, _ in seen[12:]] == [False] * 48
    assert all(everywhere for _, everywhere in seen[12:])
    picture = street.copy()
    picture[200:260, 300:360] = 255
    assert masked.moves(picture, 6.0)
