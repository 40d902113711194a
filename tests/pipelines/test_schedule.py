"""Weekly schedules: what they say, where they stand in the year, and which are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.scenario import plan_camera
from pipelines.schedule import DAYS, Schedule
from pipelines.wall_clock import WallClock

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: str, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, 23 + DAYS.index(day), hour, minute, tzinfo=BERLIN)  # the 23rd is a Monday


@pytest.mark.parametrize(
    ("text", "open_at", "closed_at"),
    [
        ("mon-fri 18:00-06:00", ["mon 18:00", "tue 05:59", "fri 23:00", "sat 05:59"],
         ["mon 17:59", "mon 03:00", "sat 06:00", "sat 20:00", "sun 23:59", "mon 05:59"]),
        ("sat,sun", ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        ("daily 22:00-05:00", ["mon 22:00", "sun 23:00", "mon 04:59", "wed 00:00"], ["mon 05:00", "sun 21:59"]),
        ("08:00-17:30", ["mon 08:00", "sun 17:29"], ["mon 07:59", "sun 17:30"]),
        ("Sat - Mon 9:00 - 10:00", ["sat 09:00", "sun 09:59", "mon 09:30"], ["tue 09:30", "fri 09:30", "mon 10:00"]),
        ("mon,wed-thu 06:00-24:00", ["mon 23:59", "wed 06:00", "thu 12:00"], ["tue 00:00", "tue 12:00", "fri 00:00"]),
        ("sun 23:00-01:00", ["sun 23:30", "mon 00:59"], ["mon 01:00", "sun 22:59", "sun 00:30"]),
        (("mon-fri 18:00-06:00", "sat,sun"), ["sat 12:00", "mon 19:00", "sat 03:00"], ["mon 12:00", "mon 05:00"]),
    ],
)  # fmt: skip
def test_when_it_is_open(text: str | tuple[str, ...], open_at: list[str], closed_at: list[str]) -> None:
    schedule = Schedule.of(text)
    assert [moment for moment in open_at if not schedule.is_open(at(*moment.split()))] == []  # type: ignore[call-arg]
    assert [moment for moment in closed_at if schedule.is_open(at(*moment.split()))] == []  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"), ([], "it never opens"), ("mon 08:00-08:00", "it never opens"),
        ("montag 8:00-9:00", "the days are mon, tue"), ("mon-foo", "at 'mon-foo'"), ("mon 8-9", "cannot be read"),
        ("mon 25:00-26:00", "a time that no clock shows"), ("mon 08:60-09:00", "a time that no clock shows"),
        ("mon 24:00-06:00", "a time that no clock shows"), ("mon 08:00-12:00 13:00-17:00", "cannot be read"),
        ("mon,,tue", "cannot be read"), (["sat", ""], "cannot be read"), ("always", "cannot be read"),
        ("on weekdays", "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: object, words: str) -> None:
    path = tmp_path / "site.yaml"
    shown = f'"{text}"' if isinstance(text, str) else str(text)
    path.write_text(
        "version: 1\ncameras:\n  cam:\n    source: x.mp4\n    zones: {z: [[0, 0], [1, 0], [1, 1]]}\n    rules:\n"
        f"      - kind: zone_intrusion\n        zone: z\n        schedule: {shown}\n"
    )
    with pytest.raises(ConfigError) as error:
        plan_camera(load(path, Site), "cam")
    (fault,) = error.value.faults
    assert fault.startswith(f"{path}:9: cameras.cam.rules[0].schedule: ")
    assert words in fault


def test_a_time_that_yaml_takes_for_a_number_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "version: 1\ncameras:\n  cam:\n    source: x.mp4\n    zones: {z: [[0, 0], [1, 0], [1, 1]]}\n"
        "    rules: [{kind: zone_intrusion, zone: z, schedule: 22:00}]\n"
    )
    with pytest.raises(ConfigError, match="put this schedule in quotes"):
        plan_camera(load(path, Site), "cam")


spans = st.tuples(st.sampled_from(DAYS), st.integers(0, 1439), st.integers(0, 1440)).filter(lambda s: s[1] != s[2])


@given(spans)
def test_over_a_week_it_is_open_for_as_long_as_it_says(span: tuple[str, int, int]) -> None:
    day, start, end = span
    schedule = Schedule.of(f"{day} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    minutes = sum(schedule.is_open(monday + timedelta(minutes=7 * step)) for step in range(1440)) * 7
    assert abs(minutes - (end - start) % 1440) <= 7 or (end, start) == (1440, 0)


def test_the_clock_on_the_wall_decides_when_clocks_are_changed() -> None:
    night = Schedule.of("daily 02:00-03:00")
    spring = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 1:30; half an hour later it is 3:00
    autumn = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # 1:30; the hour from 2:00 comes twice
    for start, expected in ((spring, 0), (autumn, 120)):
        clock = WallClock(BERLIN, start.timestamp())
        assert sum(night.is_open(clock.local(minute * 60)) for minute in range(300)) == expected


def test_the_clock_of_a_camera_follows_its_frames_and_that_of_a_recording_does_not() -> None:
    noon = datetime(2026, 11, 26, 12, tzinfo=BERLIN).timestamp()
    live, recorded = WallClock(BERLIN), WallClock(BERLIN, noon)
    for clock in (live, recorded):
        clock.note(10.0, noon + 3600)
    assert live.local(10.0).hour == 13
    assert (live.local(70.0).hour, live.local(70.0).minute) == (13, 1)
    assert (recorded.local(10.0).hour, recorded.local(3610.0).hour) == (12, 13)
