"""Where cards and their weights lie: those of the project, those of a site, and a folder of fetched weights."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from city_brain.errors import ModelError, SettingsError
from city_brain.vision.cards.card import MOST_CARD_BYTES, ModelCard, read_card
from city_brain.wording.nearest import nearest

WEIGHTS_VARIABLE: Final = "CITY_BRAIN_WEIGHTS"
"""The environment variable that names the folder of fetched weights."""
_CARD: Final = "card.toml"
_ROOT: Final = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Entry:
    """A card, where it was found, and where its weights may lie: beside the card or among what was fetched."""

    card: ModelCard
    place: str
    """The file of the card."""
    beside: Path
    fetched: Path

    @property
    def weights(self) -> Path:
        """The file of weights; where there is none yet, the one that fetching would make."""
        return self.beside if self.beside.is_file() else self.fetched

    @property
    def there(self) -> bool:
        """Whether there are weights; whether they are the right ones, checking says."""
        return self.weights.is_file()


@dataclass(frozen=True, slots=True)
class Registry:
    """Cards by name; of two cards of one name the first folder's counts, so a site's own replaces ours."""

    folders: tuple[Path, ...]
    fetched: Path

    @classmethod
    def of(cls, site: Path | None = None, fetched: Path | None = None) -> "Registry":
        """The `models/` of a site's folder and of the project, and the folder of fetched weights.

        That one is `fetched`, else what CITY_BRAIN_WEIGHTS names, else a folder in the user's cache.
        """
        if site is not None and not site.is_dir():
            raise SettingsError(f"{site}: wanted the folder of a site, got none")
        folders = [site / "models"] if site is not None else []
        # In an installed wheel a folder of that name would be somebody else's.
        if (_ROOT / "pyproject.toml").is_file():
            folders.append(_ROOT / "models")
        return cls(tuple(folder for folder in folders if folder.is_dir()), fetched or _usual_folder())

    def names(self) -> list[str]:
        """Names of all cards, readable or not, in order."""
        return sorted({path.parent.name for path in self._cards()})

    def entry(self, name: str) -> Entry:
        """The card of a name; SettingsError where there is none, ModelError where it cannot be read."""
        for path in self._cards():
            if path.parent.name == name:
                return self._read(path)
        names = self.names()
        wanted = ", ".join(names) or "a model, of which there is none"
        raise SettingsError(f"model: wanted one of {wanted}, got {name!r}{nearest(name, names)}")

    def fitting(self, sha256: str) -> Entry | None:
        """The card of weights with this hash; cards that cannot be read fit nothing."""
        for name in self.names():
            try:
                entry = self.entry(name)
            except ModelError:
                continue
            if entry.card.sha256 == sha256:
                return entry
        return None

    def _cards(self) -> Iterator[Path]:
        for folder in self.folders:
            yield from sorted(folder.glob(f"*/{_CARD}"))

    def _read(self, path: Path) -> Entry:
        card = card_at(path)
        if card.name != path.parent.name:
            raise ModelError(f"{path}: name: wanted that of its folder, {path.parent.name!r}, got {card.name!r}")
        return Entry(card, str(path), path.parent / card.file, self.fetched / card.name / card.file)


def card_at(path: Path) -> ModelCard:
    """The card in a file; raises ModelError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_CARD_BYTES + 1)
    except OSError as wrong:
        raise ModelError(f"{path}: wanted a card, got: {wrong.strerror}") from wrong
    return read_card(data, str(path))


def _usual_folder() -> Path:
    if named := os.environ.get(WEIGHTS_VARIABLE):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "city-brain" / "models"


def find_in(folder: Path, entry: Entry) -> Sequence[Path]:
    """Files of a folder that may hold an entry's weights: those with the right name first, then all of its kind."""
    if not folder.is_dir():
        raise SettingsError(f"{folder}: wanted a folder of weights, got none")
    named = [folder / entry.card.file, folder / entry.card.name / entry.card.file]
    others = sorted(folder.glob("*.onnx")) + sorted(folder.glob("*/*.onnx"))
    return [path for path in dict.fromkeys([*named, *others]) if path.is_file()]
