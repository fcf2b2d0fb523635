"""The lens of a camera, as the property `lens` of its feature: an object, read strictly, since all of it is ours."""

from typing import Any

from city_brain.city.city_map import LensShape
from city_brain.city.features.fields import Fields

_FARTHEST = 1e5
"""Of a coefficient and of a pixel, either way."""


def read_lens(camera: Fields) -> LensShape | None:
    """The property of a camera, None where it is absent; raises MapError with the field, what was wanted and found."""
    fields = camera.maybe_object("lens")
    if fields is None:
        return None
    lens = LensShape(
        k1=fields.number("k1", -_FARTHEST, _FARTHEST, "without a unit"),
        k2=fields.maybe_number("k2", -_FARTHEST, _FARTHEST, "without a unit") or 0.0,
        focal_px=fields.number("focal_px", 1.0, _FARTHEST, "px"),
        centre_x=fields.number("centre_x", -_FARTHEST, _FARTHEST, "px"),
        centre_y=fields.number("centre_y", -_FARTHEST, _FARTHEST, "px"),
    )
    fields.finish_strictly()
    return lens


def lens_properties(lens: LensShape | None) -> dict[str, Any] | None:
    """The object that reads as this lens."""
    if lens is None:
        return None
    known = {"k1": lens.k1, "k2": lens.k2, "focal_px": lens.focal_px}
    return {**known, "centre_x": lens.centre_x, "centre_y": lens.centre_y}
