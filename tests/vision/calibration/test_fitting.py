"""Points give back the homography that they came from, with an error that is as large as it says, or are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from city_brain.errors import CalibrationError, SettingsError
from city_brain.vision.calibration.fitting import FitSettings, Pairs, fit
from city_brain.vision.calibration.suspects import one_too_many, suspicion
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.pose import CameraPose
from tests.vision.ground.views import OVER_A_STREET, POSES, exact, pixels

ERRORS = FitSettings(point_error_px=2.0, point_error_m=0.2)
RUNS = 400


def surveyed(
    true: Homography,
    n: int,
    draw: np.random.Generator,
    error_px: float = 0.0,
    error_m: float = 0.0,
    most_m: float = 80.0,
) -> Pairs:
    """Points over the near ground of a picture, read and surveyed with errors."""
    u, v = pixels(draw, 50 * n, 0.1)
    x, y = true.to_ground(u, v)
    near = np.flatnonzero(np.hypot(x, y) < most_m)[:n]
    x, y = x[near] + draw.normal(0, 1, len(near)) * error_m, y[near] + draw.normal(0, 1, len(near)) * error_m
    u, v = u[near] + draw.normal(0, 1, len(near)) * error_px, v[near] + draw.normal(0, 1, len(near)) * error_px
    return Pairs(u, v, x, y, tuple(f"p{k}" for k in range(len(near))))


@given(POSES, st.integers(4, 12), st.integers(0, 2**32 - 1))
def test_exact_points_give_back_the_homography(pose: CameraPose, n: int, seed: int) -> None:
    """For any pose, and any points that are not refused: other pixels fall where the true homography has them."""
    draw, true = np.random.default_rng(seed), exact(pose)
    pairs = surveyed(true, n, draw, most_m=20.0 * pose.height_m)
    assume(len(pairs.u) == n)
    try:
        found = fit(pairs, "drawn")
    except CalibrationError:
        assume(False)
    assert found.chi2 < 1e-8
    assert found.residual_m.max() < 1e-4
    assert found.residual_px.max() < 1e-3
    u, v = pairs.u.mean() * np.ones(1), pairs.v.mean() * np.ones(1)
    there, here = true.to_ground(u, v), found.homography.to_ground(u, v)
    assert np.allclose(there, here, atol=1e-3)


@pytest.mark.parametrize(
    "matrix", [np.diag([0.02, -0.02, 1.0]), [[0.01, 0.002, -4], [0.001, -0.03, 25], [0, 0.001, 1]]]
)
def test_known_homographies_are_found(matrix: object) -> None:
    """A map from above, and one with a horizon, to nine digits."""
    true = Homography(np.array(matrix, np.float64), np.zeros((9, 0)))
    u, v = np.array([10.0, 700.0, 650.0, 30.0, 300.0]), np.array([20.0, 10.0, 500.0, 480.0, 200.0])
    found = fit(Pairs(u, v, *true.to_ground(u, v), tuple("abcde")), "known").homography
    assert np.allclose(found.matrix / found.matrix[2, 2], true.matrix, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [4, 6, 12])
def test_reported_error_is_that_of_the_homography(n: int) -> None:
    """Over many surveys with errors of 2 px and 0.2 m, 68 % and 95 % of places lie within one and two sigmas.

    Points at random may lie near a line, and are refused then: of surveys of four points a quarter. Chance
    may make a few points agree badly; the error is enlarged then, so the shares may be larger.
    """
    draw, true = np.random.default_rng(n), exact(OVER_A_STREET)
    inside = []
    for _ in range(RUNS):
        try:
            found = fit(surveyed(true, n, draw, 2.0, 0.2), "survey", ERRORS).homography
        except CalibrationError:
            continue
        u, v = pixels(draw, 1, 0.5, 0.9)
        told, (x, y) = found.place(u, v, np.zeros(1), np.zeros(1)), true.to_ground(u, v)
        dx, dy = x - told.x, y - told.y
        inside.append(
            (told.yy * dx * dx - 2 * told.xy * dx * dy + told.xx * dy * dy) / (told.xx * told.yy - told.xy**2)
        )
    shares = [float((np.array(inside) < limit).mean()) for limit in (2.30, 6.18)]
    assert len(inside) > 0.7 * RUNS
    assert 0.62 < shares[0] < 0.80
    assert 0.90 < shares[1] < 0.99


def test_noise_shows_in_the_residuals() -> None:
    """The weighted squares are about as many as the points leave free; the residual in pixels is about the error."""
    draw, true = np.random.default_rng(7), exact(OVER_A_STREET)
    fits = [fit(surveyed(true, 12, draw, 2.0, 0.2), "survey", ERRORS) for _ in range(100)]
    assert np.mean([found.chi2 / found.freedom for found in fits]) == pytest.approx(1.0, abs=0.1)
    only = FitSettings(point_error_px=2.0, point_error_m=0.0)
    only_pixels = [fit(surveyed(true, 12, draw, 2.0, 0.0), "survey", only) for _ in range(100)]
    rms = np.sqrt(np.mean([found.residual_px**2 / 2 for found in only_pixels]))
    assert 1.2 < rms < 2.0  # eight of 24 numbers are fitted: 2 · √(16/24) = 1.6


def test_errors_larger_than_stated_enlarge_the_reported_one() -> None:
    """With points off by 10 px where 2 were stated the error is told about five times as large."""
    draw, true = np.random.default_rng(8), exact(OVER_A_STREET)
    at = pixels(draw, 1, 0.6, 0.8)
    told = {
        error: np.median(
            [
                fit(surveyed(true, 12, draw, error, 0.0, 50.0), "s", FitSettings(point_error_px=2.0, point_error_m=0.0))
                .homography.place(*at, np.zeros(1), np.zeros(1))
                .sigma_m
                for _ in range(60)
            ]
        )
        for error in (2.0, 10.0)
    }
    assert 3.5 < told[10.0] / told[2.0] < 6.5


def test_the_error_of_places_holds_what_the_points_show() -> None:
    """`error_m` is no less than the residuals, and no less than what four points leave open."""
    draw, true = np.random.default_rng(9), exact(OVER_A_STREET)
    found = fit(surveyed(true, 10, draw, 3.0, 0.3), "survey", ERRORS)
    assert found.error_m >= np.sqrt((found.residual_m**2).mean() / 2)
    assert fit(surveyed(true, 4, draw), "survey", ERRORS).error_m > 0.0


@pytest.mark.parametrize("row", range(8))
def test_a_wrong_point_is_named(row: int) -> None:
    """Of eight points one lies 6 m from where it should: it looks wrong, and its distance from the rest's is told."""
    draw, true = np.random.default_rng(11), exact(OVER_A_STREET)
    pairs = surveyed(true, 8, draw, 1.0, 0.1, 40.0)
    fine = suspicion(pairs, fit(pairs, "survey", ERRORS), ERRORS)
    assert (fine.misfit, fine.point) == (False, None)
    wrong = replace(pairs, x=pairs.x + 6.0 * (np.arange(8) == row))
    told = suspicion(wrong, fit(wrong, "survey", ERRORS), ERRORS)
    assert (told.misfit, told.point) == (True, row)
    assert told.off_m[row] == pytest.approx(6.0, abs=2.5)


def test_of_five_points_a_wrong_one_is_told_but_not_named() -> None:
    draw, true = np.random.default_rng(12), exact(OVER_A_STREET)
    pairs = surveyed(true, 5, draw, most_m=40.0)
    wrong = replace(pairs, x=pairs.x + 3.0 * (np.arange(5) == 2))
    told = suspicion(wrong, fit(wrong, "survey", ERRORS), ERRORS)
    assert (told.misfit, told.point) == (True, None)


def pairs(*rows: tuple[float, float, float, float]) -> Pairs:
    u, v, x, y = np.array(rows, np.float64).T
    return Pairs(u, v, x, y, tuple("abcdefgh"[: len(rows)]))


A, B, C, D = (100, 900, -10, 10), (900, 880, 10, 11), (800, 400, 12, 40), (150, 420, -15, 41)
DEGENERATE = {
    "three points": (pairs(A, B, C), "at least 4 points, got 3"),
    "one pixel twice": (pairs(A, B, C, D, (100, 900, 5, 5)), "place of its own in the picture, got 'a' and 'e' at one"),
    "one place twice": (
        pairs(A, B, C, D, (500, 500, -10, 10)),
        "place of its own in the ground, got 'a' and 'e' at one",
    ),
    "a line in the picture": (
        pairs((0, 0, 1, 9), (10, 10, 4, 1), (20, 20, 7, 3), (30, 30, 0, 2)),
        "not all on one line, got one line in the picture",
    ),
    "a line on the ground": (
        pairs((0, 0, 0, 0), (10, 90, 1, 1), (20, 20, 2, 2), (90, 30, 3, 3)),
        "not all on one line, got one line in the ground",
    ),
    "three of four on a line": (
        pairs(A, B, C, (500, 890, 0, 10.5)),
        "two points or more off any line, got all but 'c' on one line in the picture",
    ),
    "a point in the sky": (
        pairs(A, B, C, D, (500, 100, 0, -60), (520, 600, 2, 20)),
        "on one side of the horizon, got 'e' beyond it",
    ),
    "mirrored": (pairs(*((u, v, -x, y) for u, v, x, y in (A, B, C, D))), "from above, got one seen from below"),
}


def test_a_point_that_is_far_out_is_named_also_where_nothing_fits() -> None:
    """Points on both sides of the horizon settle nothing; it is told without which one the others agree."""
    draw, true = np.random.default_rng(13), exact(OVER_A_STREET)
    pairs = surveyed(true, 8, draw, 1.0, 0.1, 40.0)
    wrong = replace(pairs, y=pairs.y - 400.0 * (np.arange(8) == 3))
    with pytest.raises(CalibrationError, match="beyond it"):
        fit(wrong, "survey", ERRORS)
    assert one_too_many(wrong, ERRORS) == 3
    assert one_too_many(wrong.take(np.arange(5)), ERRORS) is None
    assert one_too_many(replace(pairs, x=-pairs.x), ERRORS) is None


@pytest.mark.parametrize("name", DEGENERATE)
def test_points_that_settle_nothing_are_refused_with_the_reason(name: str) -> None:
    points, why = DEGENERATE[name]
    with pytest.raises(CalibrationError, match=f"^file: wanted .*{why}"):
        fit(points, "file")


def test_points_near_a_line_are_refused() -> None:
    """Three of four points so near a line that errors of reading may put them on it leave the rest open."""
    u, v = np.array([100.0, 500.0, 900.0, 800.0]), np.array([900.0, 860.0, 880.0, 400.0])
    points = Pairs(u, v, *exact(OVER_A_STREET).to_ground(u, v), tuple("abcd"))
    assert fit(points, "file", FitSettings(point_error_px=1.0, point_error_m=0.01)).freedom == 0
    with pytest.raises(CalibrationError, match=r"wanted points that settle a homography, got an error at '.'"):
        fit(points, "file", FitSettings(point_error_px=20.0))


@pytest.mark.parametrize("wrong", [{"point_error_px": 0.0}, {"point_error_m": -1.0}, {"point_error_m": float("nan")}])
def test_errors_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"wanted .* to 1000, got"):
        FitSettings(**wrong)
