"""Published schemas are those of the code, break no promise, and say of real files what the program says of them."""

import copy
import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
import zstandard

from city_brain.incidents.incident_type import built_in_files
from city_brain.observations.json_twin import from_lines
from city_brain.schemas import DOCUMENTS, schema_of
from tests.cli.conftest import Fused
from tests.cli.mistakes import MAP, MISTAKES, RULE, SETTINGS, Mistake, spoilt
from tests.cli.processes import city_brain
from tests.schemas import PUBLISHED, breaks, main, promised, text_of

UNSEEN = (
    "longitude and latitude swapped", "polygon not closed", "an id twice", "signal of no junction", "cut off",
    "tab for indentation", "indentation", "thresholds the wrong way round", "placeholder misspelt",
    "syntax", "unknown zone", "port out of range", "no port", "path that does not exist",
    "camera that is not on the map", "negative tick", "unknown type of a department",
    "quantity of a sensor misspelt", "unit of a sensor misspelt",
)  # fmt: skip
"""Mistakes in maps, rules and settings that a schema cannot see, or that leave no JSON to hold against one.

Both numbers of a swapped position may be degrees of either, elsewhere on the globe. A map may hold sensors of
whatever others measure.
"""


def _judge(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(name))


def _read(file: str, text: str) -> tuple[str, Any]:
    """The name of a file's schema, and what it holds as JSON has it."""
    if file == MAP:
        return "city", json.loads(text)
    if file == RULE:
        return "incident-type", yaml.safe_load(text)
    return "site", tomllib.loads(text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_and_is_published_as_it_is_printed(name: str) -> None:
    """What `city-brain schema` prints is the file under protos/schemas, and sound by its own dialect."""
    done = city_brain("schema", name)
    assert (done.code, done.err) == (0, "")
    assert done.out == (PUBLISHED / f"{name}.json").read_text("utf-8"), "python -m tests.schemas write"
    jsonschema.Draft202012Validator.check_schema(json.loads(done.out))


def test_a_name_that_is_none_is_answered_with_the_nearest() -> None:
    done = city_brain("schema", "incident_typ")
    assert (done.code, done.out) == (2, "")
    assert "got 'incident_typ'; did you mean 'incident-type'?" in done.err


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_breaks_what_was_promised(name: str) -> None:
    assert breaks(name, promised(name), schema_of(name)) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_says_its_unit_or_what_it_counts(name: str) -> None:
    """A property whose name ends in a unit spells it out."""
    found = []

    def visit(schema: Any) -> None:
        if isinstance(schema, dict):
            for key, inner in schema.get("properties", {}).items():
                if key.endswith(("_ms", "_m", "_mps", "_deg")) and not inner.get("description"):
                    found.append(key)
            for inner in schema.values():
                visit(inner)
        elif isinstance(schema, list):
            for inner in schema:
                visit(inner)

    visit(schema_of(name))
    assert found == []


def test_rows_that_can_be_read_are_those_that_the_schema_takes(world: Fused) -> None:
    """Of all that arrives in a city, poison among it: a line that is rejected fits no schema, one that is a row does.

    Rows that the door refuses may do either: most of what it knows is on the map.
    """
    data = zstandard.ZstdDecompressor().stream_reader(world.observations.read_bytes()).read()
    arrived = data.splitlines()
    lines = [*arrived, *spoilt_lines(arrived)]
    rejected = {line.line for line in from_lines(lines).rejected}
    judge = _judge("observation")
    sample = sorted(rejected | set(range(0, len(arrived), 23)) | set(range(len(arrived), len(lines))))
    refused = set(city_refuses(lines, world))
    wrong = []
    for number in sample:
        try:
            fits = judge.is_valid(json.loads(lines[number]))
        except ValueError:
            fits = False
        if number not in refused and fits == (number in rejected):
            wrong.append((number in rejected, fits, lines[number][:600]))
    assert len(sample) > 500
    assert len(rejected) > 100
    assert wrong == []


def spoilt_lines(lines: list[bytes]) -> Iterator[bytes]:
    """A line of each kind without each of its keys, and with values of other types in their place."""
    kinds = {json.loads(line)["kind"]: json.loads(line) for line in lines[:3000:7] if line.startswith(b'{"kind"')}
    assert len(kinds) >= 3
    for row in kinds.values():
        for where in ((), ("payload",)):
            for key in list(row[where[0]] if where else row):
                for value in (..., None, "x", "", -1, 1.5, [], {}, True, [1, 2, 3, 4]):
                    spoilt_row = copy.deepcopy(row)
                    held = spoilt_row[where[0]] if where else spoilt_row
                    held[key] = value
                    if value is ...:
                        del held[key]
                    yield json.dumps(spoilt_row).encode()


def city_refuses(lines: list[bytes], world: Fused) -> list[int]:
    """The numbers of the rows that the door refuses."""
    from city_brain.city.loading import load_city
    from city_brain.observations.admission import AdmissionTable, admit

    parsed = from_lines(lines)
    _, refused = admit(parsed.observations, 0, parsed.line, AdmissionTable.from_city(load_city(world.city_map)))
    found: list[int] = parsed.line[refused.row].tolist()
    return found


def test_maps_incidents_and_types_of_a_real_city_fit(world: Fused) -> None:
    _judge("city").validate(json.loads(world.city_map.read_bytes()))
    judge = _judge("incident")
    revisions = world.revisions()
    assert revisions
    for revision in revisions:
        judge.validate(revision)
    for data in built_in_files().values():
        _judge("incident-type").validate(yaml.safe_load(data))


def test_a_new_site_fits(tmp_path: Path) -> None:
    assert city_brain("init", tmp_path / "site").code == 0
    for file in (MAP, RULE, SETTINGS):
        name, held = _read(file, (tmp_path / "site" / file).read_text("utf-8"))
        _judge(name).validate(held)


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as `init` makes it."""
    folder = tmp_path_factory.mktemp("new") / "site"
    assert city_brain("init", folder).code == 0
    return folder


@pytest.mark.parametrize(
    "mistake",
    [mistake for mistake in MISTAKES if mistake.file in (MAP, RULE, SETTINGS) and mistake.what not in UNSEEN],
    ids=lambda mistake: f"{Path(mistake.file).stem}: {mistake.what}",
)
def test_a_mistake_that_a_schema_can_see_is_seen(new_site: Path, tmp_path: Path, mistake: Mistake) -> None:
    """An editor that knows the schema underlines what `check` would refuse."""
    folder = shutil.copytree(new_site, tmp_path / "site")
    spoilt(folder, mistake)
    name, held = _read(mistake.file, (folder / mistake.file).read_text("utf-8"))
    assert not _judge(name).is_valid(held)


def _changed(name: str, path: str, change: Callable[[Any], Any]) -> Any:
    """The schema of a document with a change below a path."""
    schema = copy.deepcopy(schema_of(name))
    at = schema
    for step in path.split("/"):
        at = at[int(step) if isinstance(at, list) else step]
    change(at)
    return schema


_ROW, _SENSOR, _TYPE = "$defs/SensorRow", "$defs/Sensor/properties", "$defs/IncidentType/properties"
_NULLABLE = {"anyOf": [{"type": "number"}, {"type": "null"}]}

BREAKS: dict[str, tuple[str, str, Callable[[Any], Any], str]] = {
    "a key is required": ("observation", f"{_ROW}/required", lambda at: at.append("seq"), "seq: is required"),
    "a word is gone": ("observation", f"{_SENSOR}/quantity/enum", lambda at: at.remove("rain"), "rain"),
    "null is refused": ("observation", f"{_ROW}/properties", lambda at: at.update(seq={"type": "integer"}), "seq"),
    "a narrower type": ("site", "$defs/DeskSettings/properties/moved_m", lambda at: at.update(type="null"), "moved"),
    "a key is gone": ("site", "$defs/ListenSettings/properties", lambda at: at.pop("policy"), "policy: is gone"),
    "a limit is lower": ("incident-type", f"{_TYPE}/hold_s", lambda at: at.update(maximum=60), "hold_s: maximum"),
    "a property of a kind is required": (
        "city", "$defs/feature/allOf/5/then/properties/properties/required", lambda at: at.append("name"), "required",
    ),
    "an answer loses a key": ("incident", "$defs/Incident/required", lambda at: at.remove("number"), "number: is "),
    "an answer may be null": ("incident", "$defs/Incident/properties", lambda at: at.update(lon=_NULLABLE), ".lon: "),
}  # fmt: skip


@pytest.mark.parametrize("change", BREAKS)
def test_a_broken_promise_is_seen(change: str) -> None:
    name, path, spoil, said = BREAKS[change]
    found = breaks(name, schema_of(name), _changed(name, path, spoil))
    assert found
    assert any(said in one for one in found), found


GROWS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "a setting is new": ("site", "$defs/DeskSettings/properties", lambda at: at.update(new={"type": "number"})),
    "a word is new": ("observation", f"{_SENSOR}/quantity/enum", lambda at: at.append("ozone")),
    "a type is wider": ("site", "$defs/TickSettings/properties/tick_ms", lambda at: at.update(type="number")),
    "an answer has a new key": ("incident", "$defs/Incident/properties", lambda at: at.update(new={"type": "number"})),
    "a key is required no more": ("city", "required", lambda at: at.remove("datum")),
}


@pytest.mark.parametrize("change", GROWS)
def test_what_only_grows_breaks_nothing(change: str) -> None:
    name, path, grow = GROWS[change]
    assert breaks(name, schema_of(name), _changed(name, path, grow)) == []


def test_the_checker_of_the_build_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "the schemas break nothing that was promised\n"
    assert text_of("city").endswith("}\n")
