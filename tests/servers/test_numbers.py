"""The numbers that people say name an incident wherever its id does, as long as they leave no doubt."""

from pathlib import Path

import msgspec

from city_brain.wire.feed.v1 import feed_pb2
from tests.cli.processes import city_brain
from tests.feeds.builders import START_MS, a_log, an_incident
from tests.servers.http.talking import talking
from tests.servers.keeping import KeptCity, url_in
from tests.servers.serving import refusal, run, serving

YEAR_MS = 365 * 86_400_000
SAID = (
    an_incident("old", number="0611-001", first_seen_ms=START_MS - YEAR_MS),
    an_incident("new", number="0611-001"),
    an_incident("one", number="0611-002"),
    an_incident("other", number="0611-002", first_seen_ms=START_MS + 7_200_000),
    an_incident("third", number="0611-003"),
)
DOUBT = "incident '0611-002': wanted an incident_id (one, other), got a number that 2 incidents have"


def test_a_number_is_answered_as_the_id_is() -> None:
    """Of two years the newer one is meant; of one day none, and the answer names both; another is not found."""

    async def test() -> None:
        async with talking(a_log([*SAID])) as talk:
            for path in ("/v1/incidents/{}", "/v1/incidents/{}:explain"):
                for number, meant in (("0611-001", "new"), ("0611-003", "third")):
                    assert await talk.get(path.format(number)) == await talk.get(path.format(meant))
                status, said = await talk.get(path.format("0611-002"))
                assert (status, said["message"], said["field"]) == (400, DOUBT, "id")
                assert (await talk.get(path.format("0611-009")))[0] == 404
        async with serving(a_log([*SAID])) as served:
            get, explain = served.stub.GetIncident, served.stub.ExplainIncident
            found = await get(feed_pb2.GetIncidentRequest(name="incidents/0611-001"))
            assert found == await get(feed_pb2.GetIncidentRequest(name="incidents/new"))
            told = await explain(feed_pb2.ExplainIncidentRequest(name="incidents/0611-001"))
            assert told == await explain(feed_pb2.ExplainIncidentRequest(name="incidents/new"))
            _, info, fields = await refusal(get(feed_pb2.GetIncidentRequest(name="incidents/0611-002")))
            assert (info.reason, fields) == ("BAD_REQUEST", ["name"])

    run(test)


def test_a_proof_is_found_by_the_number(tmp_path: Path) -> None:
    """The same as by the id; where that is in doubt, the command says which ids there are."""
    city = KeptCity(url_in(tmp_path))
    city.says(*SAID)
    city.store.close()
    file = tmp_path / "feed.sqlite"
    by_number, by_id = (city_brain("store", "proof", file, said) for said in ("0611-001", "new"))
    assert by_number == by_id
    assert by_id.code == 0
    assert msgspec.json.decode(msgspec.json.decode(by_id.out)["line"])["incident_id"] == "new"
    doubtful, absent = (city_brain("store", "proof", file, said) for said in ("0611-002", "0611-009"))
    assert (doubtful.code, doubtful.out, doubtful.err) == (1, "", f"city-brain: {DOUBT}\n")
    assert absent.code == 1
    assert "incident '0611-009', revision newest: not found" in absent.err
