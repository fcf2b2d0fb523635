"""The test kit, public: rows made by hand, for tests of ours and of those who build on the engine."""

from typing import Any

import numpy as np

from city_brain.observations.rows import SCHEMA, Rows

_DEFAULTS: dict[str, Any] = {
    "sigma": np.nan,
    "speed": np.nan,
    "heading": np.nan,
    "value": 0.9,
    "note": -1,
    "home": True,
}


def make_rows(**columns: Any) -> Rows:
    """Rows from the columns given, as arrays (n,) or scalars; at least one must be an array. Others take neutral
    values.

    `offset` counts up and `arrival_ms` equals `event_ms` unless given.
    """
    count = max(len(np.atleast_1d(value)) for value in columns.values())
    columns.setdefault("offset", np.arange(count))
    columns.setdefault("arrival_ms", columns.get("event_ms", 0))
    filled: dict[str, Any] = {}
    for name, kind in SCHEMA.items():
        filled[name] = np.broadcast_to(np.asarray(columns.get(name, _DEFAULTS.get(name, 0)), kind), (count,)).copy()
    return Rows(**filled)
