"""Values by name beside the feeds: written whole, read as written, part of a transaction."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from city_brain.errors import DamagedError
from city_brain.store.store import Store


def test_a_value_is_what_was_put_last_and_rooms_do_not_mix(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/feed.sqlite") as store:
        room = store.records("orders")
        assert room.get("b") is None
        for name, value in (("b", b"1"), ("a", b"2"), ("b", b"\x00\xff")):
            room.put(name, value)
        assert list(room.all().items()) == [("a", b"2"), ("b", b"\x00\xff")]
        assert store.records("cities").all() == {}
        room.remove("a")
        assert room.get("a") is None


def test_a_value_is_part_of_its_transaction(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/feed.sqlite") as store:
        with pytest.raises(RuntimeError, match="not this time"), store.transaction() as work:
            work.records("orders").put("a", b"1")
            assert work.records("orders").get("a") == b"1"
            raise RuntimeError("not this time")
        assert store.records("orders").get("a") is None


def test_other_bytes_than_were_put_are_damage(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/feed.sqlite") as store:
        store.records("orders").put("a", b"1")
        with create_engine(f"sqlite:///{tmp_path}/feed.sqlite").begin() as connection:
            connection.execute(text("UPDATE records SET value = x'32'"))
        with pytest.raises(DamagedError, match="orders/a"):
            store.records("orders").get("a")
        assert any("orders/a" in found for found in store.check().damage)
