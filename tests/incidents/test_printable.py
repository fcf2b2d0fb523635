"""Texts from outside do nothing to a terminal."""

import io

import msgspec
import pytest

from city_brain.canonical import printable
from city_brain.cli.common import instants
from city_brain.incidents.explain import explanation_text
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Snapshot
from city_brain.servers.client.printing import Watch
from tests.feeds.builders import an_incident
from tests.incidents.kit import Play, evidence, finding, types

HOSTILE = "\x1b[2J\x1b]0;title\x07 fire\u202e\x9b31m\r\nFAKE LINE\x00\u2028"


@pytest.mark.parametrize("text", ["", "Jing 7 Rd", "经七路\u3000与纬二路 ± 2.0 m", "naïve 🚒"])
def test_plain_texts_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_what_acts_on_a_terminal_is_escaped() -> None:
    assert printable(HOSTILE) == r"\x1b[2J\x1b]0;title\x07 fire\u202e\x9b31m\r\nFAKE LINE\x00\u2028"
    assert printable("\ud800") == r"\ud800"


def test_a_report_cannot_write_into_an_explanation() -> None:
    play = Play()
    said = evidence("reported", HOSTILE, 3.9, note={"text": HOSTILE})
    play.step(finding("person_report", log_odds=3.0, evidence=(said,)), times=3)
    incident = play.records[-1].incidents[-1] if play.records[-1].incidents else play.records[0].incidents[-1]
    told = explanation_text(incident, types(), "en", str)
    assert r"text \x1b[2J" in told
    assert not any(line.startswith("FAKE") for line in told.splitlines())
    assert all(line.isprintable() for line in told.split("\n"))


def test_a_source_cannot_write_into_a_watch() -> None:
    opening = Snapshot(incidents=(an_incident(sources=(HOSTILE,)),), number=8, feed_id="jinan-1")
    (line,) = Watch(FeedReader(Endpoint("127.0.0.1:1")), io.StringIO(), io.StringIO()).lines(opening)
    assert line.isprintable()


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_whatever_a_file_holds_is_explained(confidence: float) -> None:
    incident = msgspec.structs.replace(an_incident(), confidence=confidence, updated_ms=10**18)
    assert f"{10**18} ms" in explanation_text(incident, types(), "en", instants("UTC"))
