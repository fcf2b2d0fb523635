"""Cross-camera association: pairs of tracklets that are one object, against pairs that were given one object."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from city_brain.errors import RecordingError
from city_brain.scoring.records import PairScore

_NEAR_MS = 10_000


class _Track(msgspec.Struct):
    source_id: str
    track_id: int | str
    object_id: int | str


def read_identity(data: bytes) -> dict[str, tuple[str, int, int]]:
    """Reads an identity.json; raises RecordingError where it is none."""
    try:
        return msgspec.json.decode(data, type=dict[str, tuple[str, int, int]])
    except msgspec.MsgspecError as wrong:
        raise RecordingError(f"identity: wanted an identity.json, got {wrong}") from wrong


def score_pairs(identity: Mapping[str, tuple[str, int, int]], lines: Iterable[bytes | str]) -> PairScore:
    """Precision over pairs that were given one object id, recall over pairs that are one object.

    `lines` hold source_id, track_id and object_id; the first word about a tracklet counts, as do only tracklets that
    exist. A pair is two tracklets of different cameras at most 10 s apart in time.
    """
    given: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            track = msgspec.json.decode(line, type=_Track)
        except msgspec.MsgspecError as wrong:
            raise RecordingError(f"tracks, line {number}: wanted a track, got {wrong}") from wrong
        given.setdefault(f"{track.source_id}|{track.track_id}", str(track.object_id))
    truly: dict[str, list[_Piece]] = defaultdict(list)
    claimed: dict[str, list[_Piece]] = defaultdict(list)
    for key, (name, first, last) in identity.items():
        piece = _Piece(first, last, key.split("|")[0], name)
        truly[name].append(piece)
        if key in given:
            claimed[given[key]].append(piece)
    true_pairs = sum(_count(pieces)[0] for pieces in truly.values())
    counts = [_count(pieces) for pieces in claimed.values()]
    pairs, right = sum(count[0] for count in counts), sum(count[1] for count in counts)
    return PairScore(
        tracklets=len(identity),
        assigned=sum(key in given for key in identity),
        true_pairs=true_pairs,
        pair_precision=right / pairs if pairs else None,
        pair_recall=right / true_pairs if true_pairs else None,
        pair_f1=2 * right / (pairs + true_pairs) if pairs + true_pairs else None,
    )


class _Piece(msgspec.Struct, order=True, frozen=True):
    """A tracklet: when, which camera, which object."""

    first: int
    last: int
    camera: str
    name: str


def _count(pieces: list[_Piece]) -> tuple[int, int]:
    """Pairs among the pieces of one object, and how many of those are truly one object."""
    pieces.sort()
    pairs = right = 0
    for k, one in enumerate(pieces):
        for other in pieces[k + 1 :]:
            if other.first > one.last + _NEAR_MS:
                break
            if other.camera != one.camera and one.first - _NEAR_MS <= other.last:
                pairs += 1
                right += one.name == other.name
    return pairs, right
