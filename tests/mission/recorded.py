"""The mission records itself: what its topics hold goes into a file, which says in one process what the city said."""

from pathlib import Path

import msgspec

from city_brain.cli.common import plural
from city_brain.digest import TreeHead
from tests.chaos.oracle import Wanted
from tests.cli.processes import city_brain
from tests.mission.checks import Check


def of_recording(site: Path, file: Path, wanted: Wanted) -> Check:
    """Records the topics of a city that has stopped, plays the file, and holds it against what one process says."""
    head = TreeHead()
    for tick in sorted(wanted.lines):
        head.add(wanted.lines[tick])
    told = f"{plural(head.size, 'tick')}, digest {head.digest().hex()[:16]}, all as the city said them"
    taped = city_brain("bag", "record", site, file, "--until-end", "--json")
    played = city_brain("bag", "verify", file, "--here", "--restores", 3, "--json")
    if (taped.code, played.code) != (0, 0):
        return Check("recording", told, f"exit {taped.code} and {played.code}: {taped.err}{played.err}", False)
    records, said = msgspec.json.decode(taped.out)["records"], msgspec.json.decode(played.out)
    digests = {way["digest"] for way in said["ways"]}
    same = digests == {head.digest().hex()} and said["same"] == said["recorded"] == head.size
    got = f"{plural(said['recorded'], 'tick')}, {said['same']} the same, digest {', '.join(sorted(digests))[:16]}"
    return Check("recording", told, f"{records} records; {told}" if same else got, same)
