"""Opens a recording as what it is: raw topics of a city on Kafka, or the tapped run of one process."""

from pathlib import Path

from city_brain.bag.reading import Recording
from city_brain.playback.played import Played
from city_brain.playback.recorded_city import RecordedCity
from city_brain.playback.street import Street
from city_brain.playback.tap import RUN, TappedRun


def open_played(path: Path, types: dict[str, bytes] | None = None) -> Played:
    """The recording that begins with the file `path`; `types` (file name to content) take the place of those recorded.
    Raises RecordingError where it says nothing that can be played.
    """
    with Recording(path) as recording:
        made_by = RecordedCity.read(recording).made_by
    return TappedRun(path, types) if made_by == RUN else Street(path, types)
