"""What a file is: by its name, else by its first bytes."""

from enum import StrEnum
from pathlib import Path

import msgspec

from city_brain.errors import SettingsError
from city_brain.sources.recording import STANDARD_INPUT

_FIRST_BYTES = 1 << 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class What(StrEnum):
    """What can be checked."""

    OBSERVATIONS = "observations"
    CITY_MAP = "city map"
    INCIDENT_TYPE = "incident type"
    SETTINGS = "settings of a site"
    PROVINCE = "settings of a province"
    SITE = "site"


_BY_NAME = {
    ".jsonl": What.OBSERVATIONS,
    ".ndjson": What.OBSERVATIONS,
    ".zst": What.OBSERVATIONS,
    ".geojson": What.CITY_MAP,
    ".yaml": What.INCIDENT_TYPE,
    ".yml": What.INCIDENT_TYPE,
    ".toml": What.SETTINGS,
}


def recognised(name: str) -> What:
    """What a file or folder is; raises SettingsError where there is none, or one that is nothing of ours."""
    path = Path(name)
    if name == STANDARD_INPUT:
        return What.OBSERVATIONS
    if path.is_dir():
        return What.PROVINCE if (path / "province.toml").is_file() else What.SITE
    if not path.exists():
        raise SettingsError(f"{name}: wanted a file or folder to check, got none")
    if path.name == "province.toml":
        return What.PROVINCE
    if path.suffix in _BY_NAME:
        return _BY_NAME[path.suffix]
    try:
        with path.open("rb") as file:
            first = file.read(_FIRST_BYTES)
    except OSError as wrong:
        raise SettingsError(f"{name}: wanted a file to check, got: {wrong.strerror}") from wrong
    what = _by_content(first)
    if what is None:
        wanted = "observations (.jsonl, .zst), a map (.geojson), an incident type (.yaml), settings (.toml) or a site"
        raise SettingsError(f"{name}: wanted {wanted}, got a file that looks like none of them")
    return what


def _by_content(first: bytes) -> What | None:
    if first.startswith(_ZSTD_MAGIC):
        return What.OBSERVATIONS
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        line = _object(text.split(b"\n", 1)[0])
        if b'"FeatureCollection"' in first or b'"features"' in first:
            return What.CITY_MAP
        return What.OBSERVATIONS if line is not None or b'"source_id"' in first else What.CITY_MAP
    lines = [line for line in text.split(b"\n") if line.strip() and not line.startswith(b"#")]
    if not lines:
        return None
    if lines[0].startswith(b"[") or b"=" in lines[0].split(b"#")[0]:
        return What.SETTINGS
    return What.INCIDENT_TYPE if b":" in lines[0] else None


def _object(line: bytes) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
