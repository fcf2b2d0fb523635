"""Worlds are altered as the table of robustness says, and fusion goes on without each part that ablation names."""

import numpy as np
import pytest

from city_brain.observations.vocabulary import Kind
from city_brain.synth import SynthCity, SynthSettings, write_world
from tests.benchmarks.altered.answers import fused
from tests.benchmarks.altered.lesions import ABLATION
from tests.benchmarks.altered.worlds import LOST, ROBUSTNESS, SKEW_MS, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Six cameras for a minute, with reports."""
    folder = tmp_path_factory.mktemp("world")
    write_world(SynthCity(SynthSettings(cameras=6, minutes=1.0, reports_per_incident=3.0, warm_up_s=30)), folder)
    return World.read(folder)


def test_alterations_hang_on_nothing_but_what_they_befall(world: World) -> None:
    """The same rows are altered in the same way, whatever others there are."""
    every_third = np.arange(world.recording.observations.n) % 3 == 0
    for name in ("clocks off by up to 10 s", "5 % of the rows lost", "half the cameras"):
        whole, part = ROBUSTNESS[name](world), ROBUSTNESS[name](world.keep(every_third))
        kept = np.isin(whole.recording.line, world.recording.line[every_third])
        assert whole.keep(kept).recording.line.tolist() == part.recording.line.tolist(), name
        event_ms = whole.keep(kept).recording.observations.common.event_ms
        assert event_ms.tolist() == part.recording.observations.common.event_ms.tolist(), name


def test_half_the_cameras_are_gone_from_map_and_rows(world: World) -> None:
    """As many cameras as say nothing are on no map any more; other sources stay."""
    before, after = (
        {one["id"] for one in of.geojson["features"] if one["properties"]["kind"] == "camera"}
        for of in (world, ROBUSTNESS["half the cameras"](world))
    )
    left = ROBUSTNESS["half the cameras"](world).recording.observations
    assert len(after) == len(before) - len(before) // 2
    assert not (before - after) & set(left.strings)
    assert (left.common.kind != Kind.DETECTION).sum() == (
        world.recording.observations.common.kind != Kind.DETECTION
    ).sum()


def test_clocks_are_off_by_the_same_at_all_times(world: World) -> None:
    """Each source has one shift, and not all have the same."""
    before, after = world.recording.observations, ROBUSTNESS["clocks off by up to 10 s"](world).recording.observations
    shift_ms = after.common.event_ms - before.common.event_ms
    by_source = [set(shift_ms[before.common.source == source].tolist()) for source in np.unique(before.common.source)]
    assert all(len(shifts) == 1 for shifts in by_source)
    assert len(set.union(*by_source)) > len(by_source) / 2
    assert np.abs(shift_ms).max() <= SKEW_MS


def test_noise_is_doubled_and_slow(world: World) -> None:
    """Places move by about a metre, hardly from one row of a track to the next; what is no camera stays where it is."""
    before, after = world.recording.observations, ROBUSTNESS["twice the noise"](world).recording.observations
    seen = before.common.kind == Kind.DETECTION
    north_m = 111_320.0 * (after.common.lat - before.common.lat)
    assert 0.6 < north_m[seen].std() < 2.5 and not north_m[~seen].any()
    tracks = before.common.source[seen].astype(np.int64) << 32 | before.detections.track
    steps = [np.diff(north_m[seen][tracks == track]) for track in np.unique(tracks)]
    assert np.concatenate(steps).std() < 0.5 * north_m[seen].std()
    assert (after.sensors.value != before.sensors.value).mean() > 0.5
    said = ROBUSTNESS["twice the noise, and cameras say so"](world).recording.observations.common
    assert (said.lat == after.common.lat).all()
    assert np.array_equal(after.common.position_error_m, before.common.position_error_m, equal_nan=True)
    assert (said.position_error_m[seen] >= 1.0).mean() > 0.99, "all but those that are on no map"


def test_a_twentieth_of_the_rows_is_lost(world: World) -> None:
    """About so many rows are gone, of any kind."""
    left = ROBUSTNESS["5 % of the rows lost"](world).recording.observations.n / world.recording.observations.n
    assert abs(1.0 - LOST - left) < 0.02


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_every_altered_world_is_fused(world: World, name: str) -> None:
    """Whatever is missing, the street goes on, and no detector raises."""
    altered = ROBUSTNESS[name](world)
    brief = altered.keep(np.arange(altered.recording.observations.n) < 1500)
    assert isinstance(fused(brief, ABLATION["as it is"]), list)


@pytest.mark.parametrize("name", ABLATION)
def test_fusion_goes_on_without_each_part(world: World, name: str) -> None:
    """No detector raises."""
    brief = world.keep(np.arange(world.recording.observations.n) < 1500)
    assert isinstance(fused(brief, ABLATION[name]), list)
