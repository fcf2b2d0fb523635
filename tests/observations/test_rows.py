"""Rows: lamps packed into one number, notes kept with their rows, and bytes there and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from city_brain.observations.rows import LAMP_SLOTS, SCHEMA, Rows, pack_lamps, unpack_lamps
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.testing import make_rows
from city_brain.types import Codes

colours = st.lists(st.integers(0, 5), min_size=LAMP_SLOTS, max_size=LAMP_SLOTS)


@given(st.lists(colours, max_size=5))
def test_lamps_come_back_as_they_were_packed(lamps: list[list[int]]) -> None:
    """Every state of 24 lamps has a number of its own, in 63 bits."""
    shown: Codes = np.array(lamps, dtype=np.uint8).reshape(-1, LAMP_SLOTS)
    packed = pack_lamps(shown)
    assert (packed >= 0).all()
    assert (unpack_lamps(packed) == shown).all()


def noted(*texts: str | None) -> Rows:
    """Rows with a note where there is a text."""
    notes = tuple(text for text in texts if text is not None)
    rows = make_rows(note=np.array([-1 if text is None else notes.index(text) for text in texts]))
    return Rows(**rows.columns(), notes=notes)


def test_notes_stay_with_their_rows() -> None:
    """Joined rows still find their texts; rows without a text still have none."""
    parts = [noted("a", None, "b"), noted(None), noted("c")]
    joined = Rows.concat(parts)
    found = [joined.notes[note] if note >= 0 else None for note in joined.note.tolist()]
    assert found == ["a", None, "b", None, "c"]
    assert [parts[2].notes[note] for note in parts[2].note] == ["c"]


def test_rows_come_back_from_bytes() -> None:
    """Rows are part of snapshots: the same rows give the same bytes and come back with the same types."""
    rows = noted("a", None)
    back = from_bytes(Rows, to_bytes(rows))
    assert to_bytes(back) == to_bytes(rows)
    assert {name: column.dtype for name, column in back.columns().items()} == SCHEMA


def test_no_rows_are_rows_too() -> None:
    """Joining nothing gives no rows, of the right types."""
    nothing = Rows.concat([])
    assert nothing.n == 0
    assert {name: column.dtype for name, column in nothing.columns().items()} == SCHEMA
    assert Rows.concat([nothing, noted("a")]).notes == ("a",)
