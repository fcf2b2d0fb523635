"""What is said can be read back, proved, and explained in two languages."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city_brain.errors import RecordingError
from city_brain.incidents.desk.evidence import confidence, logistic
from city_brain.incidents.explain import explain, explanation_text
from city_brain.incidents.incident import incident_line, read_incident
from city_brain.incidents.incident_type import Calibration, IncidentTypes, load_incident_types
from city_brain.incidents.tick_record import PartitionTick, TickRecord
from tests.house import sources
from tests.incidents.kit import START_MS, Play, evidence, finding, new_desk, types

SHANGHAI = ZoneInfo("Asia/Shanghai")


def clock(ms: int) -> str:
    """The instant as the city's people write it."""
    return datetime.fromtimestamp(ms / 1000, SHANGHAI).isoformat(timespec="milliseconds")


def crash_with_everything() -> Play:
    """A crash with support, contradiction, an explained pedestrian, and a rival reading."""
    play = Play()
    pieces = (
        evidence("abrupt_stop", "cam-1", 3.5, note={"deceleration_mps2": 6.1}, distance_m=1.24),
        evidence("no_bang", "cam-3", -0.5, at_s=1),
    )
    crash = finding("crash", log_odds=2.5, evidence=pieces)
    rival = finding("crash", "other", x=110.0, log_odds=1.0, evidence=(evidence("abrupt_stop", "cam-4", 2.0),))
    person = finding("pedestrian_on_carriageway", "p", x=105.0, at_s=3, evidence=(evidence("walks", "cam-2", at_s=3),))
    play.step(crash, rival, person)
    play.step(crash, rival, person, times=12)
    return play


def test_an_incident_line_reads_back_to_the_same_line() -> None:
    for record in crash_with_everything().records:
        assert [incident_line(read_incident(line)) for line in record.lines] == list(record.lines)


def test_a_tick_record_holds_its_lines_byte_for_byte() -> None:
    for record in crash_with_everything().records:
        text = record.to_line()
        assert all(line in text for line in record.lines)
        assert TickRecord.from_line(text) == TickRecord.from_line(text.decode()) == record


@pytest.mark.parametrize("bad", [b"", b"{}", b"\xff", b'{"tick":1}'])
def test_what_is_no_record_is_refused(bad: bytes) -> None:
    with pytest.raises(RecordingError, match="wanted one line of a tick"):
        TickRecord.from_line(bad)
    with pytest.raises(RecordingError, match="wanted one revision of an incident"):
        read_incident(bad)
    with pytest.raises(RecordingError, match="wanted MessagePack of a tick"):
        PartitionTick.from_bytes(bad)


def test_another_form_of_the_same_record_is_refused() -> None:
    line = Play().desk.step(0, START_MS, []).to_line()
    with pytest.raises(RecordingError, match="wanted a canonical line of tick 0, got another form"):
        TickRecord.from_line(line.replace(b":", b": ", 1))


def test_a_partitions_record_reads_back_and_ignores_the_order_of_counters() -> None:
    said = finding("crash", evidence=(evidence(note={"b": 1, "a": 2.5}),), path=((0.0, 0.0), (1.0, 1.0)))
    one = PartitionTick(
        tick=5, due_ms=9, partition=2, versions={"map": "m"}, counters={"used": 1, "late": 2}, findings=(said,)
    )
    other = msgspec.structs.replace(one, counters={"late": 2, "used": 1})
    assert PartitionTick.from_bytes(one.to_bytes()) == one
    assert one.to_bytes() == other.to_bytes()


def test_an_explanation_takes_an_incident_apart() -> None:
    told = explain(crash_with_everything().only(), types())
    assert [item.what for item in told.supporting] == ["abrupt_stop"]
    assert [item.what for item in told.contradicting] == ["no_bang"]
    assert [(item.rule, item.weight) for item in told.joined] == [("pedestrian_on_carriageway", 0.7)]
    assert [item.sources for item in told.not_counted] == [("cam-4",)]
    assert told.evidence_log_odds == 3.7
    assert told.prior_log_odds == pytest.approx(-0.5, abs=0.02)
    assert told.headline.zh == "解放路发生交通事故"
    assert told.headline.en == "Crash at Jiefang Road"


def test_the_explanation_for_people_in_english() -> None:
    incident = crash_with_everything().only()
    assert explanation_text(incident, types(), "en", clock, revisions=incident.revision).splitlines() == [
        "0611-001 Crash at Jiefang Road",
        f"  as of: 2025-06-11T10:00:03.000+08:00, revision {incident.revision} of {incident.revision}",
        "  state: active; confidence 0.961; level III",
        "  time: began 2025-06-11T10:00:00.000+08:00; announced 2025-06-11T10:00:03.000+08:00 (+3 s)",
        "  place: R1, 117.0011197, 36.6500000 ± 1.0 m",
        "  rule: crash version 1: suspected from +0.0, announced from +2.2, "
        "over 30 s after it falls below -1.0 (log-odds)",
        "  for:",
        "    +3.50 abrupt stop; cam-1; 2025-06-11T10:00:00.000+08:00; 1.2 m; deceleration_mps2 6.1; "
        "crash v1; log 0:7:1",
        "  against:",
        "    -0.50 no bang; cam-3; 2025-06-11T10:00:01.000+08:00; crash v1; log 0:7:1",
        "  joined or explained:",
        "    +0.70 walks; cam-2; 2025-06-11T10:00:03.000+08:00; 5.0 m; pedestrian_on_carriageway v1; log 0:7:1",
        "  listed, not counted:",
        "    +0.00 abrupt stop; cam-4; 2025-06-11T10:00:00.000+08:00; crash v1; log 0:7:1",
        "  sum: evidence +3.70, prior +0.00, rounding and what is not listed -0.50: +3.20, which is confidence 0.961",
        "  log: where its rows stand, as raw partition:offset (line of a recording):row within it",
    ]


def test_the_explanation_for_people_in_chinese() -> None:
    play = Play()
    play.step(finding("crash", x=800.0, y=900.0))
    (said,) = play.step(finding("crash", gone=True))
    lines = explanation_text(said, types(), "zh", clock).splitlines()
    assert lines[0] == "0611-001 117.00896, 36.65808发生交通事故"
    assert lines[2] == "  状态: 已结束; 置信度 0.953; 建议等级 III"
    assert "结束 2025-06-11T10:00:04.000+08:00" in lines[3]
    assert lines[-2] == "  合计: 证据 +4.00，先验 +0.00，舍入及未列出部分 -0.99：+3.01，即置信度 0.953"
    text = explanation_text(crash_with_everything().only(), load_incident_types(), "zh", clock)
    assert "    +3.50 车辆急停; cam-1; " in text


def test_of_many_sources_and_rows_a_few_are_named() -> None:
    sources, rows = tuple(f"cam-{n}" for n in range(5)), tuple((0, n, 0) for n in range(4))
    incident = crash_with_everything().only()
    item = msgspec.structs.replace(incident.evidence[0], sources=sources, rows=rows)
    told = msgspec.structs.replace(incident, evidence=(item,))
    text = explanation_text(told, types(), "en", clock)
    assert "; cam-0, cam-1 and 3 more; " in text
    assert "log 0:0:0 0:1:0 and 2 more\n" in text
    assert "cam-0, cam-1 等5个" in explanation_text(told, types(), "zh", clock)


def test_every_code_that_a_detector_emits_has_words_in_both_languages() -> None:
    """Codes are the literals behind `what=`, and those that helpers are called with."""
    phrases = {code for kind in load_incident_types() for code in kind.phrases}
    emitted = set()
    for source in sources():
        if source.name.startswith("city_brain/incidents/detectors/"):
            emitted |= set(re.findall(r'what="([a-z_]+)"', source.text))
    assert emitted <= phrases
    assert emitted >= {"abrupt_stop", "queue_outlasts_green", "reported"}


def test_a_withdrawn_incident_says_why() -> None:
    play = Play()
    play.step(finding("crash", log_odds=1.0))
    (said,) = play.step(times=40)
    assert "state: withdrawn (faded)" in explanation_text(said, types(), "en", clock)


def test_what_experience_adds_is_a_part_of_the_sum_and_of_the_thresholds() -> None:
    """With a calibration evidence, prior and calibration give the log-odds of the confidence, and thresholds are told
    on the same scale: at the threshold the confidence is that of the least that was ever announced."""
    learnt, plain = Calibration(slope=0.8, shift=-0.9), types()
    crash = msgspec.structs.replace(plain["crash"], calibration=learnt)
    calibrated = IncidentTypes({**plain.by_name, "crash": crash}, plain.order)
    play = Play(new_desk(types=calibrated))
    said = play.step(finding("crash", log_odds=2.5, evidence=(evidence("abrupt_stop", "cam-1", 2.5),)))[-1]
    told = explain(said, calibrated)
    assert said.state == "active", "what is announced does not depend on what it is worth"
    assert said.confidence == confidence(2.5, learnt) == pytest.approx(logistic(1.1), abs=5e-4)
    parts = told.evidence_log_odds, told.prior_log_odds, told.calibration_log_odds
    assert parts == pytest.approx((2.5, 0.0, -1.4), abs=0.02)
    assert logistic(sum(parts)) == pytest.approx(said.confidence, abs=2e-3)
    assert (told.rule.open_log_odds, told.rule.close_log_odds) == pytest.approx((0.8 * 2.2 - 0.9, -1.7))
    text = explanation_text(said, calibrated, "en", clock)
    assert "sum: evidence +2.50, prior +0.00, calibration -1.40: +1.10, which is confidence 0.750" in text
    assert "announced from +0.9" in text
    assert "校准 -1.40：+1.10" in explanation_text(said, calibrated, "zh", clock)
