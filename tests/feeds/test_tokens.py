"""Resume tokens: good for one reader, feed, scope and filter, and nothing else that looks like one."""

import base64
import hmac
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.tokens import Binding, Tokens

KEY = bytes(range(32))
MINE = Binding.of("jinan-1", "traffic-police", Wanted(types=("crash",)), Wanted(area_codes=("370102",)))


def reason(text: str, binding: Binding = MINE, key: bytes = KEY) -> Reason:
    """Why a token is refused."""
    with pytest.raises(RefusedError) as refused:
        Tokens(key).read(text, binding)
    return refused.value.reason


@given(st.integers(0, 2**63 - 1))
def test_a_token_gives_its_number_back(number: int) -> None:
    """To whom it was given, whatever the number."""
    assert Tokens(KEY).read(Tokens(KEY).write(MINE, number), MINE) == number


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ({"feed_id": "jinan-2"}, Reason.OTHER_FEED),
        ({"reader": "fire-brigade"}, Reason.BAD_TOKEN),
        ({"reader": ""}, Reason.BAD_TOKEN),
        ({"wanted": b"12345678"}, Reason.FILTER_CHANGED),
        ({"scope": b"12345678"}, Reason.SCOPE_CHANGED),
        ({"scope": b"12345678", "reader": "fire-brigade"}, Reason.BAD_TOKEN),
    ],
)
def test_a_token_for_something_else_is_refused_with_the_reason(other: dict[str, object], wanted: Reason) -> None:
    """Another reader learns nothing, not even that it is a token."""
    assert reason(Tokens(KEY).write(msgspec.structs.replace(MINE, **other), 7)) is wanted


def test_a_token_of_another_key_is_refused() -> None:
    """A server that lost its store cannot vouch for what it gave before."""
    assert reason(Tokens(bytes(32)).write(MINE, 7)) is Reason.BAD_TOKEN


def test_every_altered_token_is_refused() -> None:
    """Each bit of it counts, and so does its length."""
    token = Tokens(KEY).write(MINE, 7)
    sealed = base64.urlsafe_b64decode(token)
    bits = [(at, 1 << bit) for at in range(len(sealed)) for bit in range(8)]
    altered = [sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :] for at, bit in bits]
    altered += [sealed[:end] for end in range(len(sealed))] + [sealed + b"\0", sealed * 2]
    for forged in altered:
        assert reason(base64.urlsafe_b64encode(forged).decode()) is Reason.BAD_TOKEN


def test_what_is_no_token_is_refused() -> None:
    """Whatever it is, and however long."""
    chance = random.Random(1)
    texts = ["AAAA", "7", "null", "é" * 40, "=" * 40, "A" * 100_000, "\x00" * 30, "../../etc"]
    for text in texts + [chance.randbytes(30).hex() for _ in range(50)]:
        assert reason(text) is Reason.BAD_TOKEN


@pytest.mark.parametrize("length", [1, 32, 63, 64, 65, 200])
def test_the_seal_is_an_hmac(length: int) -> None:
    """HMAC-SHA-256 of RFC 2104 over what stands behind it, cut to 16 bytes, for keys of any length."""
    key = bytes(at % 251 for at in range(length))
    sealed = base64.urlsafe_b64decode(Tokens(key).write(MINE, 7))
    assert sealed[:16] == hmac.digest(key, sealed[16:], "sha256")[:16]
