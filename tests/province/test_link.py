"""Both ends of a link that is cut anywhere: same counts, same digests, nothing twice, one window on the way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.errors import ServiceError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import incident_line
from city_brain.province.link.city_end import CityEnd
from city_brain.province.link.province_end import ProvinceEnd
from city_brain.wire.province.v1 import province_pb2
from tests.province.books import CITY, CityMemory, LossyLink, ProvinceMemory, an_order


def _check_same(link: LossyLink) -> None:
    """Both ends hold the same lines, each taken once, and the city knows it."""
    city, province = link.city_book, link.province_book
    assert province.lines == [incident_line(change.incident) for change in city.all]
    assert province.taken == len(province.lines)
    assert province.standing().digest == city.tree(len(city.all)).digest()
    assert city.acknowledged == len(city.all)
    assert link.city_end.disagreement == ""
    assert all(province.agreed)
    assert link.most_in_flight <= 3
    assert province.largest <= 3


def _messages_of_a_whole_link() -> int:
    city, province = CityMemory(), ProvinceMemory()
    city.append(10)
    link = LossyLink(city, province)
    link.settle()
    _check_same(link)
    return link.delivered


@pytest.mark.parametrize("at", range(_messages_of_a_whole_link()))
def test_a_cut_at_any_message_loses_nothing_and_doubles_nothing(at: int) -> None:
    """Ten changes in windows of three; the link is cut before each message once, in either direction."""
    for upwards_first in (True, False):
        city, province = CityMemory(), ProvinceMemory()
        city.append(10)
        link = LossyLink(city, province)
        while link.delivered < at and (link.step(upwards_first) or link.step(not upwards_first)):
            pass
        link.connect()
        link.settle()
        _check_same(link)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120))
def test_cuts_repeats_and_late_messages_change_nothing(seed: int, steps: int) -> None:
    """Growth, delivery either way (now and then twice), cuts, and messages of old links, in any order."""
    chance = random.Random(seed)
    city, province = CityMemory(), ProvinceMemory()
    link = LossyLink(city, province)
    province.orders = [an_order(f"order-{count}") for count in range(3)]
    for _ in range(steps):
        match chance.choice(["grow", "up", "up", "down", "down", "poll", "cut", "late"]):
            case "grow":
                city.append(chance.randrange(5))
            case "up":
                link.step(True, twice=chance.random() < 0.2)
            case "down":
                link.step(False, twice=chance.random() < 0.2)
            case "poll":
                link.poll()
            case "cut":
                link.connect()
            case "late":
                link.late(chance)
    link.settle()
    link.poll()
    link.settle()
    _check_same(link)
    assert set(city.told) == set(province.answers) == {"order-0", "order-1", "order-2"}
    assert {refusal.reason for refusal in link.refused} <= {Reason.LINK_REPLACED}


def test_a_large_line_goes_alone_and_small_ones_up_to_the_window() -> None:
    city, province = CityMemory(), ProvinceMemory()
    city.append(4)
    size = len(incident_line(city.all[0].incident))
    link = LossyLink(city, province, window=(3, 2 * size))
    link.settle()
    assert province.largest == 2
    small = LossyLink(city, ProvinceMemory(), window=(3, 10))
    small.settle()
    assert (small.province_book.largest, small.province_book.taken) == (1, 4)


def test_other_lines_under_the_same_numbers_are_seen_before_anything_is_sent() -> None:
    """The province says the digest of what it has; a city that has others says so, and sends nothing more."""
    city, province = CityMemory(), ProvinceMemory()
    city.append(5)
    province.lines = [b"something else"] * 3
    link = LossyLink(city, province)
    link.settle()
    link.poll()
    assert province.taken == 0
    assert "wanted digest" in link.city_end.disagreement
    assert province.agreed == [False]
    assert city.acknowledged == 0


def test_a_city_that_was_set_back_waits_until_it_has_as_much_again() -> None:
    city, province = CityMemory(), ProvinceMemory()
    city.append(5)
    LossyLink(city, province).settle()
    kept, city.all, city.acknowledged = city.all, city.all[:2], 0
    link = LossyLink(city, province)
    link.settle()
    assert (link.city_end.acknowledged, link.city_end.disagreement, province.taken) == (5, "", 5)
    city.all = kept[:]
    city.append(2)
    link.poll()
    link.settle()
    _check_same(link)


def test_a_city_reports_only_as_itself_and_says_hello_first() -> None:
    def refused(end: ProvinceEnd, message: province_pb2.CityMessage) -> Reason:
        with pytest.raises(RefusedError) as wrong:
            end.received(message)
        return wrong.value.reason

    book = ProvinceMemory()
    hello = CityEnd(CityMemory(), CITY, "Jinan").opening()
    status = province_pb2.CityMessage(status=province_pb2.CityStatus())
    assert refused(ProvinceEnd(book, "370200"), hello) == Reason.NOT_THIS_CITY
    for feed_id in ("", "a/b", "x" * 65):
        strange = province_pb2.Hello(city_code=CITY, feed_id=feed_id, first_change_number=1)
        assert refused(ProvinceEnd(book, None), province_pb2.CityMessage(hello=strange)) == Reason.BAD_REQUEST
    assert refused(ProvinceEnd(book, None), status) == Reason.BAD_REQUEST
    assert refused(ProvinceEnd(book, None), province_pb2.CityMessage()) == Reason.BAD_REQUEST
    end = ProvinceEnd(book, None)
    assert end.received(hello)[0].WhichOneof("message") == "welcome"
    assert refused(end, hello) == Reason.BAD_REQUEST
    ahead = province_pb2.Changes(first_change_number=5, lines=[b"{}"])
    ahead.log_times.add()
    assert refused(end, province_pb2.CityMessage(changes=ahead)) == Reason.OUT_OF_STEP
    assert refused(end, province_pb2.CityMessage(changes=province_pb2.Changes(lines=[b"{}"]))) == Reason.BAD_REQUEST


def test_a_history_that_begins_too_late_is_refused_with_the_reason() -> None:
    late = province_pb2.Hello(city_code=CITY, feed_id="feed-1", first_change_number=7, last_change_number=9)
    with pytest.raises(RefusedError) as wrong:
        ProvinceEnd(ProvinceMemory(), None).received(province_pb2.CityMessage(hello=late))
    assert (wrong.value.reason, wrong.value.facts["first"]) == (Reason.HISTORY_GONE, "7")


def test_a_province_that_acknowledges_what_was_not_sent_is_not_believed() -> None:
    city = CityMemory()
    city.append(2)
    end = CityEnd(city, CITY, "Jinan")
    end.opening()
    too_much = province_pb2.ProvinceMessage(acknowledgement=province_pb2.Acknowledgement(change_number=9))
    with pytest.raises(ServiceError, match="wanted a welcome first"):
        end.received(too_much)
    standing = ProvinceMemory().standing()
    welcome = province_pb2.Welcome(digest=standing.digest, window_changes=5, window_bytes=1 << 20)
    end.received(province_pb2.ProvinceMessage(welcome=welcome))
    with pytest.raises(ServiceError, match="wanted an acknowledgement up to 2, got 9"):
        end.received(too_much)
