"""A recording that is played several times on end is one stream: time goes on, and every lap counts."""

from collections import Counter
from pathlib import Path

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.reading import Recording, read_series
from city_brain.bag.writing import RecordingWriter
from city_brain.playback.looping import laps
from city_brain.playback.street import Street
from tests.distributed import kit
from tests.house import ROOT
from tests.playback.recorded import record

WRONG_WAY = ROOT / "playback" / "recordings" / "wrong-way.mcap"


def _written(source: Path, path: Path, count: int) -> Path:
    """The laps as one recording, with offsets that go on."""
    with Recording(source) as recording:
        city = {"city": recording.metadata["city"]}
        attached = recording.attachment("site.toml").data
    offsets = Counter[tuple[str, int]]()
    with RecordingWriter(path, metadata=city) as writer:
        writer.attach(
            Attachment(log_ns=0, created_ns=0, name="site.toml", media_type="application/toml", data=attached)
        )
        for one in laps(source, count):
            place = one.topic, one.partition
            writer.write(
                writer.channel(*place), offsets[place], one.value, key=one.key, headers=one.headers,
                timestamp_ms=one.timestamp_ms, log_ns=one.log_ns,
            )  # fmt: skip
            offsets[place] += 1
    return path


def test_one_lap_is_the_recording(tmp_path: Path) -> None:
    """Record by record."""
    path = record(tmp_path / "a.mcap", 1, 1)
    assert list(laps(path, 1)) == list(read_series(path))


def test_laps_are_one_stream(tmp_path: Path) -> None:
    """No row is late or a duplicate for the loop, ticks follow each other, and what happens is said in every lap."""
    once = [msgspec.json.decode(tick.line) for tick in Street(WRONG_WAY).ticks()]
    ticks = [msgspec.json.decode(tick.line) for tick in Street(_written(WRONG_WAY, tmp_path / "b.mcap", 3)).ticks()]
    assert [tick["tick"] for tick in ticks] == list(range(ticks[0]["tick"], ticks[0]["tick"] + len(ticks)))
    assert len(ticks) >= 3 * len(once) - 3
    for lap in range(3):
        during = ticks[lap * len(once) : (lap + 1) * len(once)]
        assert {one["type"] for tick in during for one in tick["incidents"] if one["state"] == "active"} >= {
            "wrong_way", "pedestrian_on_carriageway"
        }  # fmt: skip
    counters, alone = ticks[-1]["counters"], once[-1]["counters"]
    for name in ("late", "duplicate"):
        assert counters.get(name, 0) <= 3 * alone.get(name, 0) + 3


def test_a_configuration_comes_once(tmp_path: Path) -> None:
    """And garbage is played as it lies."""
    path = record(tmp_path / "a.mcap", 1, 1)
    changes = [one for one in laps(path, 3) if one.topic.endswith("control") and not one.headers]
    assert len(changes) == 1
    poison = Counter(one.value for one in laps(path, 3) if one.value in kit.POISON)
    assert poison and all(count % 3 == 0 for count in poison.values())
