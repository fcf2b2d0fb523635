"""Hostile model files are refused or contained: none harms the process that looks at it; each is cheap to refuse."""

import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from city_brain.errors import ModelError
from city_brain.vision.cards.checking import CPU_S, MEMORY_BYTES, MOST_BYTES, check_weights, try_out
from city_brain.vision.cards.fitting import MOST_FRAMES, signature
from city_brain.vision.cards.walking import parse, walk
from tests.vision.cards.hostile_files import FILES
from tests.vision.cards.hostile_graphs import REFUSED
from tests.vision.cards.hostile_runs import BROKEN, UNFIT, growing, only_one
from tests.vision.cards.networks import CARD, branch, card_of, choice, one, rounds, sound

NETWORKS = {**REFUSED, **UNFIT, **BROKEN}
SPARE_S = 3.0
"""Of processor time, for starting Python."""


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[Path]:
    """A place for a file; afterwards neither this process nor its child has taken more than may be, or written."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    folder = set(tmp_path.iterdir())
    before, memory, of_children = os.times(), _most_bytes(), _most_bytes(resource.RUSAGE_CHILDREN)
    yield tmp_path / "model.onnx"
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < CPU_S + SPARE_S
    assert _most_bytes(resource.RUSAGE_CHILDREN) <= max(MEMORY_BYTES, memory, of_children)
    assert _most_bytes() - memory < 3 * MOST_BYTES
    assert set(tmp_path.iterdir()) - folder <= {tmp_path / "model.onnx"}


def _most_bytes(who: int = resource.RUSAGE_SELF) -> int:
    return resource.getrusage(who).ru_maxrss * 1024


def test_there_are_enough_of_them() -> None:
    """A hundred ways at least, each with a name of its own."""
    assert len(NETWORKS) == len(REFUSED) + len(UNFIT) + len(BROKEN)
    assert len(NETWORKS) + len(FILES) >= 100


@pytest.mark.parametrize("name", NETWORKS)
def test_a_hostile_network_is_refused(name: str, bounded: Path) -> None:
    """With the hash on its card it is refused all the same, for the right reason, by file and place."""
    wanted, made = NETWORKS[name]
    data = made().SerializeToString()
    bounded.write_bytes(data)
    with pytest.raises(ModelError) as refused:
        check_weights(bounded, card_of(data))
    assert wanted in str(refused.value)
    assert str(refused.value).startswith(str(bounded)), refused.value
    assert ", got" in str(refused.value)
    assert len(str(refused.value)) < 1500


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_network_is_refused(name: str, bounded: Path) -> None:
    """Whatever lies there, without a card to hold it against."""
    wanted, make = FILES[name]
    make(bounded)
    with pytest.raises(ModelError) as refused:
        check_weights(bounded)
    assert wanted in str(refused.value)
    assert str(refused.value).startswith(str(bounded))


def test_means_are_bounded_from_the_start() -> None:
    """Where not even Python finds room, that too is a refusal that names the bounds."""
    with pytest.raises(ModelError, match=r"^x: wanted a network that loads and runs within 48 MiB and 10 s of a core"):
        try_out(sound().SerializeToString(), None, "x", memory_bytes=48 * 2**20)


def test_any_name_of_a_file_will_do(tmp_path: Path) -> None:
    """One that is no UTF-8 passes and is refused as others are."""
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    path.write_bytes(sound().SerializeToString())
    assert check_weights(path).report.nodes == 3
    path.write_bytes(b"x")
    with pytest.raises(ModelError, match=r"caf\\xe9\.onnx: wanted a model in ONNX"):
        check_weights(path)


def test_another_hash_is_refused_before_a_byte_is_parsed(tmp_path: Path) -> None:
    """One bit of difference, and no child is started."""
    data = bytearray(sound().SerializeToString())
    card = card_of(bytes(data))
    data[-1] ^= 1
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    before = os.times()
    with pytest.raises(ModelError, match=f"wanted sha256 {card.sha256}, as the card of small says"):
        check_weights(path, card)
    after = os.times()
    assert after.children_user == before.children_user


def test_holes_are_not_read(tmp_path: Path) -> None:
    """The size alone refuses 2 GiB, at once."""
    path = tmp_path / "model.onnx"
    path.touch()
    os.truncate(path, 2**31)
    began = time.process_time()
    with pytest.raises(ModelError, match="wanted 1 to"):
        check_weights(path, CARD)
    assert time.process_time() - began < 0.1


def _mutated(data: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, lost or added."""
    mutant = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at, size = chance.randrange(len(mutant)), chance.randrange(1, 9)
        kept = chance.choice([0, size])
        mutant[at : at + kept] = chance.choice([b"", chance.randbytes(size), chance.randbytes(1)])
    return bytes(mutant)


def test_a_mutant_passes_or_is_refused() -> None:
    """Of 10,000 broken copies each is looked through to its end or refused with its place; nothing else is raised."""
    model = sound(rounds("count"), choice(branch()), end="loop")
    model.graph.initializer.append(one("count", 3))
    data, chance, refused = model.SerializeToString(), random.Random(7), 0
    for _ in range(10_000):
        try:
            mutant = parse(_mutated(data, chance), "mutant")
            assert walk(mutant, "mutant").nodes > 0
            assert signature(mutant, CARD, "mutant").outputs
        except ModelError as wrong:
            assert str(wrong).startswith("mutant: ")
            refused += 1
    assert 5000 < refused < 10_000


@pytest.mark.parametrize("seed", range(12))
def test_a_mutant_that_runs_does_no_harm(seed: int, bounded: Path) -> None:
    """Copies with other numbers and names reach the runtime: they pass, or are refused with their place."""
    chance = random.Random(seed)
    data = _mutated(sound().SerializeToString(), chance)
    bounded.write_bytes(data)
    try:
        assert check_weights(bounded).data == data
    except ModelError as wrong:
        assert str(wrong).startswith(f"{bounded}: ")


def test_a_sound_network_passes(tmp_path: Path) -> None:
    """What the others were made from passes, with and without its card, and its bytes are handed on."""
    data = sound().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    for card in (None, card_of(data)):
        checked = check_weights(path, card)
        assert checked.data == data
        assert checked.report.outputs == {"output": (1, 64, 6)}
        assert (checked.report.batch, checked.report.nodes, checked.report.opset) == (None, 3, 17)
        assert 0 < checked.report.peak_bytes <= MEMORY_BYTES


def test_a_network_is_given_as_many_frames_as_its_memory_lets(tmp_path: Path) -> None:
    """One that takes 120 MiB for each is given a few at once, one that fails on two is given one, a small one all."""
    greedy, single, small = growing(15 * 2**20), only_one(), sound()
    given = {}
    for name, model in (("greedy", greedy), ("single", single), ("small", small)):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        given[name] = check_weights(path, card_of(path.read_bytes())).report.frames
    assert (given["single"], given["small"]) == (1, MOST_FRAMES)
    assert 2 <= given["greedy"] <= 8
