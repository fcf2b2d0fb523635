"""Type files are read strictly: a mistake is named with its file, path, what was wanted and found, the nearest word."""

from pathlib import Path

import msgspec
import pytest

from city_brain.errors import RuleError
from city_brain.incidents.detectors import DETECTORS, Registered
from city_brain.incidents.incident_type import (
    built_in_files,
    collect,
    load_incident_types,
    read_incident_type,
    type_files,
)
from tests.house import ROOT
from tests.incidents.kit import AnyDetector, Scripted

GOOD = """\
type: crash
version: 3
detector: braking
parameters: {deceleration_mps2: 4.8}
suspect_log_odds: 0
open_log_odds: 2.2
close_log_odds: -1.0
hold_s: 0
close_gap_s: 30
join_radius_m: 30
join_gap_s: 120
levels:
  - {level: II, confidence: 0.95}
  - {level: IV}
headline: {zh: "{place}事故", en: "Crash at {place}"}
phrases:
  braked: {zh: 急停, en: stopped abruptly}
"""


class Braking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a detector."""

    deceleration_mps2: float
    sensors_min: int = 4


REGISTRY = {"braking": Registered(Scripted, Braking), "stopping": Registered(Scripted, Braking)}

MISTAKES = {
    "no YAML": ("type: crash", "type: [crash", "line 2: wanted YAML with unique keys, got"),
    "a key twice": (
        "version: 3",
        "version: 3\nversion: 4",
        "line 3: wanted YAML with unique keys, got the key 'version' st",
    ),
    "not a mapping": (GOOD, "- crash", "wanted a mapping of fields, got ['crash']"),
    "empty": (GOOD, "", "wanted a mapping of fields, got None"),
    "field misspelt": ("hold_s", "hold_sec", "hold_sec: wanted one of type, version, detector, parameters, "),
    "nearest field": ("join_radius_m", "join_radius", "got 'join_radius'; nearest: 'join_radius_m'"),
    "field missing": ("close_gap_s: 30\n", "", "close_gap_s: wanted a value, got none"),
    "wrong kind": ("open_log_odds: 2.2", "open_log_odds: high", "open_log_odds: wanted float, got 'high'"),
    "not finite": ("open_log_odds: 2.2", "open_log_odds: .inf", "open_log_odds: wanted a finite number, got inf"),
    "negative time": ("hold_s: 0", "hold_s: -3", "hold_s: wanted float >= 0.0, got -3"),
    "too far": (
        "join_radius_m: 30",
        "join_radius_m: 1.0e+9",
        "join_radius_m: wanted float <= 100000.0, got 1000000000.0",
    ),
    "version zero": ("version: 3", "version: 0", "version: wanted int >= 1, got 0"),
    "version text": ("version: 3", "version: 1.5", "version: wanted int, got 1.5"),
    "name with space": (
        "type: crash",
        "type: Car crash",
        "type: wanted str matching regex '^[a-z][a-z0-9_]*$', got 'Car cra",
    ),
    "unknown detector": ("detector: braking", "detector: breaking", "got 'breaking'; nearest: 'braking'"),
    "parameter misspelt": (
        "deceleration_mps2",
        "deceleration",
        "parameters.deceleration: wanted one of deceleration_mps2, s",
    ),
    "parameter missing": ("{deceleration_mps2: 4.8}", "{}", "parameters.deceleration_mps2: wanted a value, got none"),
    "parameter kind": ("4.8}", "4.8, sensors_min: few}", "parameters.sensors_min: wanted int, got 'few'"),
    "parameters no mapping": ("{deceleration_mps2: 4.8}", "4.8", "parameters: wanted object, got 4.8"),
    "unknown level": (
        "level: II,",
        "level: V,",
        "levels[0].level: wanted one of I, II, III, IV, got 'V'; nearest: 'IV'",
    ),
    "levels out of order": ("{level: IV}", "{level: I}", "levels: wanted rungs from I to IV, got II, I"),
    "impossible confidence": (
        "confidence: 0.95",
        "confidence: 95",
        "levels[0].confidence: wanted float <= 1.0, got 95",
    ),
    "magnitude without unit": (
        "{level: IV}",
        "{level: IV, magnitude: 3}",
        "levels[1].magnitude: wanted the type to state",
    ),
    "thresholds reversed": (
        "close_log_odds: -1.0",
        "close_log_odds: 3",
        "open_log_odds: wanted close_log_odds <= suspect_log",
    ),
    "no hysteresis": (
        "suspect_log_odds: 0\nopen_log_odds: 2.2",
        "suspect_log_odds: -1\nopen_log_odds: -1",
        "with a gap, got -1",
    ),
    "headline without Chinese": ('zh: "{place}事故", ', "", "headline.zh: wanted a value, got none"),
    "headline empty": ("Crash at {place}", "  ", "headline.en: wanted a line of text, got an empty one"),
    "headline placeholder": (
        "at {place}",
        "at {palce}",
        "headline.en: wanted placeholders {place}, {road}, {intersection}, ",
    ),
    "headline braces": ("at {place}", "at {place", "headline.en: wanted balanced braces, got 'Crash at {place'"),
    "phrase without English": (", en: stopped abruptly", "", "phrases.braked.en: wanted a value, got none"),
    "combine misspelt": (
        "hold_s: 0",
        "hold_s: 0\ncombine: summed",
        "combine: wanted one of strongest, sum, got 'summed'; nearest",
    ),
    "merges no boolean": ("hold_s: 0", "hold_s: 0\nmerges: 1", "merges: wanted bool, got 1"),
    "link misspelt": (
        "headline:",
        "explained_by: [{type: fire, radius: 3, before_s: 0, after_s: 0}]\nheadline:",
        "explained_by[0].radius: wanted one of type, radius_m, before_s, after_s, weight, most, about, needs, got 'r",
    ),
    "link without time": (
        "headline:",
        "explained_by: [{type: fire, radius_m: 3, before_s: 0}]\nheadline:",
        "explained_by[0].after_s: wanted a value, got none",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_file_and_path(mistake: str, tmp_path: Path) -> None:
    good, bad, message = MISTAKES[mistake]
    assert good in GOOD
    (tmp_path / "crash.yaml").write_text(GOOD.replace(good, bad, 1), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_incident_types(tmp_path, only=("crash",), detectors=REGISTRY)
    text = str(caught.value)
    assert text.startswith("crash.yaml: ")
    assert message in text


def test_the_good_file_is_good() -> None:
    kind = read_incident_type(GOOD, "crash.yaml", REGISTRY)
    assert kind.parameters == Braking(deceleration_mps2=4.8)
    assert (kind.version, kind.open_log_odds, kind.levels[0].level) == (3, 2.2, "II")
    assert kind.phrases["braked"].en == "stopped abruptly"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RuleError, match=r"crash\.yaml: wanted YAML"):
        read_incident_type(b"type: \xff\xfe\xff", "crash.yaml", REGISTRY)


def linked(name: str, *causes: str) -> str:
    """A type that others explain."""
    rules = "".join(f"\n  - {{type: {cause}, radius_m: 1, before_s: 1, after_s: 1}}" for cause in causes)
    return GOOD.replace("type: crash", f"type: {name}") + (f"explained_by:{rules}\n" if causes else "")


def read_all(**texts: str) -> dict[str, str]:
    """Types by file, put together; the order of causes, or the message of what is wrong."""
    kinds = {f"{name}.yaml": read_incident_type(text, f"{name}.yaml", REGISTRY) for name, text in texts.items()}
    return {"order": " ".join(collect(kinds).order)}


def test_causes_stand_before_what_they_explain() -> None:
    found = read_all(jam=linked("jam", "crash", "dark"), dark=linked("dark", "crash"), crash=linked("crash"))
    assert found["order"] == "crash dark jam"


def test_a_circle_of_causes_is_refused() -> None:
    with pytest.raises(RuleError, match="wanted causes without a circle, got a <- b <- a"):
        read_all(a=linked("a", "b"), b=linked("b", "a"))


def test_a_cause_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(RuleError, match=r"a\.yaml: explained_by\[0\]\.type: .* got 'crush'; nearest: 'crash'"):
        read_all(a=linked("a", "crush"), crash=linked("crash"))


def test_two_files_for_one_type_are_refused() -> None:
    with pytest.raises(RuleError, match=r"b\.yaml: type: wanted a name of its own, got 'a', which a\.yaml has"):
        read_all(a=linked("a"), b=linked("a"))


def test_the_built_in_types_are_named_like_their_files_and_speak_both_languages() -> None:
    types = load_incident_types(detectors=AnyDetector())
    assert [f"{kind.type}.yaml" for kind in types] == list(built_in_files())
    assert len(types) == 13
    assert types.order.index("crash") < types.order.index("congestion") < types.order.index("person_report")


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_parameters_that_come_with_us_fit_the_detectors(name: str) -> None:
    """Those of built-in types, and of the type of a new site."""
    ours = built_in_files() | type_files(ROOT / "city_brain" / "cli" / "starting" / "site" / "incident-types")
    files = {file: data for file, data in ours.items() if f"detector: {name}" in data.decode().replace(" #", "\n")}
    assert files
    for file, data in files.items():
        assert type(read_incident_type(data, file).parameters) is DETECTORS[name].parameters


def test_a_site_replaces_a_built_in_file_and_adds_its_own(tmp_path: Path) -> None:
    (tmp_path / "crash.yaml").write_text(linked("crash"), encoding="utf-8")
    (tmp_path / "derailment.yaml").write_text(linked("derailment", "crash"), encoding="utf-8")
    types = load_incident_types(tmp_path, detectors=AnyDetector())
    assert types["crash"].version == 3
    assert types["derailment"].explained_by[0].type == "crash"
    assert len(types) == 14
    assert types.versions["crash"] == 3


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="wanted a folder of incident type files, got none"):
        load_incident_types(tmp_path / "types", detectors=AnyDetector())


def test_a_type_that_is_not_there_is_refused_with_the_nearest() -> None:
    types = load_incident_types(detectors=AnyDetector())
    with pytest.raises(RuleError, match="got 'crsh'; nearest: 'crash'"):
        types["crsh"]
    with pytest.raises(RuleError, match=r"got 'fier\.yaml'; nearest: 'fire\.yaml'"):
        load_incident_types(only=("fier",), detectors=AnyDetector())


def test_the_fingerprint_tells_types_apart(tmp_path: Path) -> None:
    before = load_incident_types(only=("crash",), detectors=AnyDetector())
    (tmp_path / "crash.yaml").write_text(built_in_files()["crash.yaml"].decode().replace("hold_s: 0", "hold_s: 1"))
    after = load_incident_types(tmp_path, only=("crash",), detectors=AnyDetector())
    assert before.fingerprint != after.fingerprint
    assert before.fingerprint == load_incident_types(only=("crash",), detectors=AnyDetector()).fingerprint
