"""Following objects from tick to tick: a table of sums per object, in order of object id."""

from typing import Any

import numpy as np

from city_brain.numerics import find_sorted
from city_brain.table import Table
from city_brain.types import Ints


def follow(table: Table, object_id: Ints, **birth: Any) -> Ints:
    """Index (n,) of objects `object_id` (n,; ascending) in `table`; those not followed yet are added with `birth`
    values.

    A birth value is a column (n,) or a scalar, one for every column of the table but `object_id`.
    """
    new = find_sorted(table["object_id"], object_id) < 0
    if new.any():
        values = {name: value[new] if isinstance(value, np.ndarray) else value for name, value in birth.items()}
        table.append(int(np.count_nonzero(new)), object_id=object_id[new], **values)
        order = np.argsort(table["object_id"], kind="stable")
        for name in table:
            table[name] = table[name][order]
    return find_sorted(table["object_id"], object_id)
