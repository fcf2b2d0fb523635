"""Cards are found in the project and in a site, weights beside their card or among what was fetched."""

from pathlib import Path

import pytest

from city_brain.errors import ModelError, SettingsError
from city_brain.vision.cards.registry import WEIGHTS_VARIABLE, Registry, card_at
from tests.house import ROOT
from tests.vision.cards.test_card import TEXT


def _site(folder: Path, name: str = "street", text: str = TEXT) -> Path:
    (folder / "models" / name).mkdir(parents=True)
    (folder / "models" / name / "card.toml").write_text(text)
    return folder


def test_a_checkout_has_the_cards_of_the_project() -> None:
    """Without a site too, and the weights of the tiny network lie beside its card."""
    registry = Registry.of()
    assert {"tiny", "yolox-nano"} <= set(registry.names())
    tiny = registry.entry("tiny")
    assert tiny.there
    assert tiny.weights == ROOT / "models" / "tiny" / "tiny.onnx"


def test_a_site_adds_cards_and_replaces_ours(tmp_path: Path) -> None:
    """Of two cards of one name the site's counts."""
    site = _site(_site(tmp_path), "tiny", TEXT.replace('"street"', '"tiny"'))
    registry = Registry.of(site)
    assert set(registry.names()) == {"street", "tiny", "yolox-nano"}
    assert registry.entry("tiny").card.layout == "yolov8"
    assert registry.entry("tiny").place == str(site / "models" / "tiny" / "card.toml")


def test_weights_beside_the_card_come_first(tmp_path: Path) -> None:
    """Else those among what was fetched, in a folder of the card's name."""
    site, fetched = _site(tmp_path / "site"), tmp_path / "fetched"
    entry = Registry.of(site, fetched).entry("street")
    assert not entry.there
    assert entry.weights == fetched / "street" / "street.onnx"
    beside = site / "models" / "street" / "street.onnx"
    beside.write_bytes(b"x")
    assert entry.there
    assert entry.weights == beside


def test_the_environment_names_the_folder_of_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An option goes before the variable, which goes before the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    assert Registry.of().fetched == tmp_path / "city-brain" / "models"
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "named"))
    assert Registry.of().fetched == tmp_path / "named"
    assert Registry.of(None, tmp_path / "option").fetched == tmp_path / "option"


def test_a_wrong_name_gets_the_nearest(tmp_path: Path) -> None:
    """Whoever typed it must act, so it is an error of settings."""
    with pytest.raises(SettingsError, match=r"model: wanted one of .*, got 'yolox-nan'; did you mean 'yolox-nano'"):
        Registry.of().entry("yolox-nan")
    with pytest.raises(SettingsError, match="wanted the folder of a site, got none"):
        Registry.of(tmp_path / "nowhere")


def test_a_card_is_named_after_its_folder(tmp_path: Path) -> None:
    """Else it could not be found by the name that it says."""
    site = _site(tmp_path, "road")
    with pytest.raises(ModelError, match="name: wanted that of its folder, 'road', got 'street'"):
        Registry.of(site).entry("road")


def test_weights_find_their_card(tmp_path: Path) -> None:
    """By hash, past cards that cannot be read."""
    site = _site(_site(tmp_path), "broken", "name = 1")
    known = Registry.of(site).fitting(card_at(site / "models" / "street" / "card.toml").sha256)
    assert known is not None
    assert known.card.name == "street"
    assert Registry.of(site).fitting("f" * 64) is None


def test_a_card_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the file's name."""
    with pytest.raises(ModelError, match=r"card\.toml: wanted a card, got: No such file"):
        card_at(tmp_path / "card.toml")
