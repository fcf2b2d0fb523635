"""Batches: taking and joining rows loses nothing and keeps no text that is not used."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import from_lines, to_lines
from tests.observations.lines import Line, any_lines, dumped, line


@given(any_lines, st.data())
def test_taking_rows_is_taking_lines(lines: list[Line], data: st.DataObject) -> None:
    """The rows at some positions are the lines at those positions, by mask or by number."""
    observations = from_lines(dumped(lines)).observations
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines))), dtype=np.bool_)
    wanted = [written for written, kept in zip(to_lines(observations), keep, strict=True) if kept]
    assert to_lines(observations.take(keep)) == wanted
    assert to_lines(observations.take(np.flatnonzero(keep))) == wanted


@given(st.lists(any_lines, max_size=4))
def test_joined_batches_are_joined_lines(parts: list[list[Line]]) -> None:
    """Batches with dictionaries of their own become one batch."""
    batches = [from_lines(dumped(lines)).observations for lines in parts]
    joined = Observations.concat(batches)
    assert to_lines(joined) == [written for batch in batches for written in to_lines(batch)]
    assert len(set(joined.strings)) == len(joined.strings)
    quickly = Observations.concat(batches, distinct=False)
    assert to_lines(quickly) == to_lines(joined)
    assert len(quickly.strings) == sum(len(batch.strings) for batch in batches)


def test_texts_that_are_not_used_are_dropped() -> None:
    """A part of a batch does not carry the dictionary of the whole."""
    observations = from_lines(dumped([line("sensor", "a"), line("report", "b"), line("sensor", "c")])).observations
    part = observations.take(np.array([2]))
    assert sorted(part.strings) == ["c", "pm2_5", "ug/m3"]
