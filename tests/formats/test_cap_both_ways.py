"""Any alert that can be said survives being written and read, and is valid by the standard's schema."""

from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from city_brain.formats.cap import alert as cap
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.cap.writing import cleaned, write_alert
from city_brain.formats.times import epoch_ms, rfc3339

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(
    lambda text: cleaned(text).strip()
)
SAID = TEXT.filter(bool)
TOKEN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=",<&"), min_size=1, max_size=20
)
OFFSETS = st.sampled_from([-43_200, -12_600, 0, 19_800, 28_800, 50_400])
TIMES = st.builds(
    lambda moment_ms, offset_s: rfc3339(moment_ms, ((0, offset_s),)), st.integers(0, 4_102_444_800_000), OFFSETS
)
LATS = st.floats(-90, 90).map(lambda value: round(value, 6) + 0.0)
LONS = st.floats(-180, 180).map(lambda value: round(value, 6) + 0.0)
RINGS = st.lists(st.tuples(LATS, LONS), min_size=3, max_size=6).map(lambda ring: (*ring, ring[0]))
NAMED = st.builds(cap.NamedValue, SAID, TEXT)
AREAS = st.builds(
    cap.Area,
    description=SAID,
    polygons=st.lists(RINGS, max_size=2).map(tuple),
    circles=st.lists(st.builds(cap.Circle, LATS, LONS, st.integers(0, 20_000).map(float)), max_size=2).map(tuple),
    geocodes=st.lists(NAMED, max_size=3).map(tuple),
    altitude=st.none() | st.integers(-100, 100).map(float),
    ceiling=st.none() | st.integers(0, 100).map(float),
)
RESOURCES = st.builds(
    cap.Resource,
    description=SAID,
    mime_type=SAID,
    size=st.none() | st.integers(0, 10**8),
    uri=st.just("") | st.just("https://city.example/map.png"),
    deref_uri=TEXT,
    digest=TEXT,
)
INFOS = st.builds(
    cap.Info,
    language=st.sampled_from(["zh-CN", "en-US", "ug"]),
    categories=st.lists(st.sampled_from(cap.CATEGORIES), min_size=1, max_size=3).map(tuple),
    event=SAID,
    responses=st.lists(st.sampled_from(cap.RESPONSES), max_size=2).map(tuple),
    urgency=st.sampled_from(cap.URGENCIES),
    severity=st.sampled_from(cap.SEVERITIES),
    certainty=st.sampled_from(cap.CERTAINTIES),
    audience=TEXT,
    event_codes=st.lists(NAMED, max_size=2).map(tuple),
    effective=st.just("") | TIMES,
    onset=st.just("") | TIMES,
    expires=st.just("") | TIMES,
    sender_name=TEXT,
    headline=TEXT,
    description=TEXT,
    instruction=TEXT,
    contact=TEXT,
    parameters=st.lists(NAMED, max_size=2).map(tuple),
    resources=st.lists(RESOURCES, max_size=1).map(tuple),
    areas=st.lists(AREAS, max_size=2).map(tuple),
)
ALERTS = st.builds(
    cap.Alert,
    identifier=TOKEN,
    sender=TOKEN,
    sent=TIMES,
    status=st.sampled_from(cap.STATUSES),
    message_type=st.sampled_from(cap.MESSAGE_TYPES),
    source=TEXT,
    scope=st.sampled_from(cap.SCOPES),
    restriction=TEXT,
    addresses=TEXT,
    codes=st.lists(TEXT, max_size=2).map(tuple),
    note=TEXT,
    references=st.lists(st.builds(cap.Reference, TOKEN, TOKEN, TIMES), min_size=1, max_size=2).map(tuple),
    incidents=TEXT,
    infos=st.lists(INFOS, max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def schema(shared: Path) -> xmlschema.XMLSchema:
    """The standard's own schema."""
    return xmlschema.XMLSchema(shared / "data/cap/cap12.xsd")


@given(alert=ALERTS)
def test_an_alert_survives_being_written_and_read(schema: xmlschema.XMLSchema, alert: cap.Alert) -> None:
    written = write_alert(alert)
    assert read_alert(written) == alert
    assert write_alert(read_alert(written)) == written
    schema.validate(written.decode())


@given(moment_ms=st.integers(-60_000_000_000_000, 200_000_000_000_000), offset_s=OFFSETS)
def test_a_time_survives_to_the_second(moment_ms: int, offset_s: int) -> None:
    assert epoch_ms(rfc3339(moment_ms, ((0, offset_s),))) == moment_ms // 1000 * 1000


def test_a_clock_that_is_changed_has_the_offset_of_its_time() -> None:
    offsets = ((0, 3600), (1_000_000, 7200))
    assert [rfc3339(at, offsets)[-6:] for at in (-5, 0, 999_999, 1_000_000)] == ["+01:00", "+01:00", "+01:00", "+02:00"]
