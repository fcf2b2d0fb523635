"""Incidents as CAP: valid by the standard's schema whatever the incident, and an order of Alert, Update and Cancel."""

import re
from pathlib import Path

import msgspec
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import CapError, RecordingError, SettingsError
from city_brain.formats.cap.alert import Alert, NamedValue
from city_brain.formats.cap.incidents import MOST_REFERENCES, Issuer, Outbox, alert_of, identifier_of
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.cap.writing import cleaned, write_alert
from city_brain.incidents.incident import Incident, Place
from city_brain.incidents.incident_type import Words
from tests.formats.samples import ISSUER, LINES, OFFSETS, PLACE, TYPES, all_kinds, revision


@pytest.fixture(scope="module")
def schema(shared: Path) -> xmlschema.XMLSchema:
    """The standard's own schema."""
    return xmlschema.XMLSchema(shared / "data/cap/cap12.xsd")


def alert(incident: Incident, issuer: Issuer = ISSUER) -> Alert:
    """The first alert of an incident."""
    return alert_of(incident, TYPES[incident.type], issuer, OFFSETS)


def test_every_kind_of_incident_is_valid_by_the_schema(schema: xmlschema.XMLSchema) -> None:
    """Every type in every state at every level, with and without lines; and as an Update of another."""
    count = 0
    for incident in all_kinds():
        first = alert(incident)
        again = alert_of(incident, TYPES[incident.type], ISSUER, OFFSETS, (first.reference, first.reference))
        for message in (first, again):
            schema.validate(write_alert(message).decode())
            assert read_alert(write_alert(message)) == message
        count += 1
    assert count == 2 * 4 * 5 * len(TYPES)


@given(text=st.text(st.characters(exclude_categories=[]), max_size=60), other=st.text(max_size=40))
def test_any_text_gives_a_message_that_can_be_read(schema: xmlschema.XMLSchema, text: str, other: str) -> None:
    """Chinese, markup, control characters and halves of surrogates; what XML lacks is left out."""
    place = Place(intersection=other or None, road=text or None, names={"zh": text, "en": other})
    incident = revision(place=place, number=text, reason=text)
    said = alert(incident, msgspec.structs.replace(ISSUER, name=text, restriction=other))
    kind = msgspec.structs.replace(
        TYPES["crash"], headline=Words("{place}" + text.replace("{", "").replace("}", ""), "x")
    )
    for message in (said, alert_of(incident, kind, ISSUER, OFFSETS)):
        written = write_alert(message)
        schema.validate(written.decode())
        assert write_alert(_stripped(message)) == write_alert(read_alert(written))


def _stripped(message: Alert) -> Alert:
    """The message without what XML does not keep: characters that it lacks, and spaces around texts."""
    plain = msgspec.to_builtins(message)

    def strip(value: object) -> object:
        if isinstance(value, str):
            return cleaned(value).strip()
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items()}
        return list(map(strip, value)) if isinstance(value, list | tuple) else value

    return msgspec.convert(strip(plain), Alert)


@given(text=st.text(st.characters(exclude_categories=[])))
def test_a_cleaned_text_holds_only_what_xml_has(text: str) -> None:
    kept = cleaned(text)
    assert kept.encode().decode() == kept
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", kept)
    assert cleaned(kept) == kept


def test_the_first_announced_revision_is_an_alert_and_later_ones_refer_to_it(schema: xmlschema.XMLSchema) -> None:
    """Suspicions are told to nobody; a withdrawal cancels; what begins again is new."""
    told = Outbox()
    said = [
        told.alert(incident, TYPES["crash"], ISSUER, OFFSETS)
        for incident in (
            revision(1, state="suspected", detected_ms=None),
            revision(2),
            revision(3, confidence=0.99),
            revision(4, state="withdrawn", reason="merged_into:abc"),
            revision(5),
        )
    ]
    assert said[0] is None
    messages = [message for message in said if message is not None]
    assert [message.message_type for message in messages] == ["Alert", "Update", "Cancel", "Alert"]
    assert [message.references for message in messages] == [
        (),
        (messages[0].reference,),
        (messages[0].reference, messages[1].reference),
        (),
    ]
    assert messages[2].incidents == "01hqz abc"
    assert messages[2].note == "withdrawn: merged_into:abc"
    for message in messages:
        schema.validate(write_alert(message).decode())


def test_a_withdrawn_suspicion_is_told_to_nobody() -> None:
    told = Outbox()
    revisions = revision(1, state="suspected", detected_ms=None), revision(2, state="withdrawn", detected_ms=None)
    assert [told.alert(incident, TYPES["crash"], ISSUER, OFFSETS) for incident in revisions] == [None, None]
    assert told.told == {}


def test_an_outbox_goes_to_bytes_and_back_between_any_two_revisions() -> None:
    one, other = Outbox(), Outbox()
    for number in range(1, 40):
        incident = revision(number, confidence=number / 40)
        other = msgspec.msgpack.decode(msgspec.msgpack.encode(other), type=Outbox)
        first = one.alert(incident, TYPES["crash"], ISSUER, OFFSETS)
        assert first is not None
        assert first == other.alert(incident, TYPES["crash"], ISSUER, OFFSETS)
        assert len(first.references) == min(number - 1, MOST_REFERENCES)


@pytest.mark.parametrize(
    ("state", "confidence", "urgency", "certainty", "response"),
    [
        ("suspected", 0.4, "Expected", "Possible", "Assess"),
        ("active", 0.97, "Immediate", "Observed", "Monitor"),
        ("active", 0.9, "Immediate", "Likely", "Monitor"),
        ("active", 0.01, "Immediate", "Unlikely", "Monitor"),
        ("ended", 0.9, "Past", "Likely", "AllClear"),
        ("withdrawn", 0.9, "Past", "Unknown", "AllClear"),
    ],
)
def test_state_and_confidence_are_told_in_words_of_cap(
    state: str, confidence: float, urgency: str, certainty: str, response: str
) -> None:
    for info in alert(revision(state=state, confidence=confidence)).infos:
        assert (info.urgency, info.certainty, info.responses) == (urgency, certainty, (response,))
        assert bool(info.expires) == (state in ("suspected", "active"))


@pytest.mark.parametrize(
    ("level", "severity", "zh", "en"),
    [
        ("I", "Extreme", "（红色）[I级/特别重大]", " (red) [Level I/Particularly grave]"),
        ("II", "Severe", "（橙色）[II级/重大]", " (orange) [Level II/Grave]"),
        ("III", "Moderate", "（黄色）[III级/较大]", " (yellow) [Level III/Major]"),
        ("IV", "Minor", "（蓝色）[IV级/一般]", " (blue) [Level IV/General]"),
        (None, "Unknown", "", ""),
    ],
)
def test_levels_are_severities_and_colours(level: str | None, severity: str, zh: str, en: str) -> None:
    chinese, english = alert(revision(level=level)).infos
    assert (chinese.language, chinese.severity, chinese.headline) == ("zh-CN", severity, f"经十路<&>口发生交通事故{zh}")
    assert (english.language, english.severity, english.headline) == (
        "en-US",
        severity,
        f"Crash at Jingshi Road & 1st{en}",
    )
    assert ("colour" in {parameter.name for parameter in chinese.parameters}) == (level is not None)


@pytest.mark.parametrize(
    ("status", "said", "note"),
    [
        ("actual", "Actual", ""),
        ("exercise", "Exercise", "exercise"),
        ("test", "Test", "test"),
        ("replay", "Test", "replay"),
    ],
)
def test_what_is_not_real_says_so(status: str, said: str, note: str) -> None:
    message = alert(revision(status=status))
    assert (message.status, message.note.split(" ")[0]) == (said, note)


def test_an_identifier_is_that_of_the_profile_and_unique_to_a_revision() -> None:
    """Issuer of 14 digits, the second on the city's clock, and a number."""
    names = [identifier_of(revision(number, updated_ms=1_788_000_000_000), ISSUER, OFFSETS) for number in range(2000)]
    names += [
        identifier_of(revision(1, incident_id=str(k), updated_ms=1_788_000_000_000), ISSUER, OFFSETS)
        for k in range(2000)
    ]
    assert len(set(names)) == 4000
    for name in names:
        assert re.fullmatch(r"37010041600100_20260829184000_\d{12}", name)
    assert names[1] == "37010041600100_20260829184000_" + names[1][-12:]
    assert alert(revision(1)).sent.endswith("+08:00")


def test_utc_is_written_as_cap_wants_it() -> None:
    assert alert_of(revision(), TYPES["crash"], ISSUER, ((0, 0),)).sent.endswith("-00:00")


def test_the_area_is_a_circle_in_kilometres_around_all_of_it() -> None:
    """Latitude first; the lines of a queue lie in it; of nested areas the narrowest are named."""
    [area] = alert(revision(geometry=LINES)).infos[0].areas
    [circle] = area.circles
    assert (circle.lat, circle.lon) == (36.65, 117.0)
    assert circle.radius_km == pytest.approx(0.02 * 111.32, abs=0.001)
    assert area.geocodes == (
        NamedValue("CPEAS Geographic Code", "370102001000"),
        NamedValue("city-brain area", "north"),
    )
    text = write_alert(alert(revision(radius_m=120.0))).decode()
    assert "<circle>36.65,117 0.12</circle>" in text
    assert [info.areas[0].description for info in alert(revision()).infos] == [PLACE.names["zh"], PLACE.names["en"]]


def test_national_event_codes_come_first_where_the_issuer_has_them() -> None:
    issuer = msgspec.structs.replace(ISSUER, event_codes={"waterlogging": "11A01"})
    assert [code.value for code in alert(revision(type="waterlogging"), issuer).infos[0].event_codes] == [
        "11A01",
        "waterlogging",
    ]
    assert [code.value for code in alert(revision(type="crash"), issuer).infos[0].event_codes] == ["crash"]


def test_a_type_of_a_city_of_its_own_is_told_by_its_name() -> None:
    kind = msgspec.structs.replace(TYPES["crash"], type="sink_hole")
    [info, _] = alert_of(revision(type="sink_hole"), kind, ISSUER, OFFSETS).infos
    assert (info.categories, info.event) == (("Other",), "sink hole")


@pytest.mark.parametrize("field", ["adcode", "trade", "unit", "extension"])
@pytest.mark.parametrize("value", ["", "1", "37010x", "٣٧٠١٠٠", "3701000"])
def test_an_issuer_without_its_digits_is_refused(field: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"issuer: {field}: wanted"):
        alert(revision(), msgspec.structs.replace(ISSUER, **{field: value}))


def test_a_validity_out_of_range_is_refused() -> None:
    with pytest.raises(SettingsError, match="valid_h: wanted more than 0"):
        alert(revision(), msgspec.structs.replace(ISSUER, valid_h=float("nan")))


@pytest.mark.parametrize("sender", ["a b", "a,b", "a<b", "a&b", "\x00"])
def test_a_sender_that_references_could_not_hold_is_refused(sender: str) -> None:
    with pytest.raises(CapError, match=r"alert\.sender: wanted a text without spaces"):
        write_alert(alert(revision(), msgspec.structs.replace(ISSUER, sender=sender)))


def test_a_time_without_a_year_is_refused() -> None:
    with pytest.raises(RecordingError, match="wanted a moment of the years 1 to 9999"):
        alert(revision(updated_ms=2**52))


def test_a_restricted_and_a_private_alert_say_for_whom(schema: xmlschema.XMLSchema) -> None:
    for scope in ("Public", "Restricted", "Private"):
        message = alert(revision(), msgspec.structs.replace(ISSUER, scope=scope))
        assert (bool(message.restriction), bool(message.addresses)) == (scope == "Restricted", scope == "Private")
        schema.validate(write_alert(message).decode())
