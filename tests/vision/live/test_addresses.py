"""Addresses of cameras: what must not be dialled is refused, with place, wanted and got, and without secrets."""

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from city_brain.errors import AddressError, SettingsError
from city_brain.vision.live.addresses import MOST_LENGTH, check_address
from city_brain.vision.live.camera import LiveCamera
from city_brain.vision.live.settings import CameraSource, VideoSettings

NETWORKS = ("10.20.0.0/16", "2001:db8::/48")
EVERYWHERE = ("0.0.0.0/0", "::/0")
"""A site that allows all: some addresses are not dialled even then."""
SCHEMES = ("rtsp", "rtsps", "https")

HOSTILE = [
    "", " ", "10.20.0.7", "cam.example", "//10.20.0.7/a", "rtsp:10.20.0.7", "rtsp:/10.20.0.7", "rtsp:///a",
    "file:///etc/passwd", "data:text/plain;base64,AAAA", "concat:rtsp://10.20.0.7/a|file:/etc/passwd", "pipe:0", "fd:0",
    "subfile,,start,0,end,9,,:/etc/passwd", "crypto:rtsp://10.20.0.7/", "gopher://10.20.0.7/", "ftp://10.20.0.7/",
    "udp://10.20.0.7:554", "rtmp://10.20.0.7/", "srt://10.20.0.7:554", "tcp://10.20.0.7:554", "unix:/run/a",
    "http://10.20.0.7/",
    "rtsp://user@10.20.0.7/", "rtsp://user:hunter2@10.20.0.7/", "rtsp://user:hun/ter2@10.20.0.7/",
    "rtsp://user:hunter2?@10.20.0.7/", "rtsp://10.20.0.7:554@169.254.169.254/", "rtsp://10.20.0.7#@10.99.0.1/",
    "rtsp://10.20.0.7\\@10.99.0.1/", "rtsp://10.20.0.7/a@b",
    "rtsp://2130706433/", "rtsp://0x7f000001/", "rtsp://0x0a140007/", "rtsp://0177.0.0.1/", "rtsp://010.20.0.7/",
    "rtsp://10.20.7/", "rtsp://10.1310727/", "rtsp://10.20.0.0x7/", "rtsp://10.20.0.7./", "rtsp://10.20.0.256/",
    "rtsp://[::ffff:10.20.0.7]/", "rtsp://[::ffff:a14:7]/", "rtsp://[::10.20.0.7]/", "rtsp://[64:ff9b::10.20.0.7]/",
    "rtsp://[2002:a14:7::1]/", "rtsp://[fe80::1%eth0]/", "rtsp://[fe80::1%25eth0]/", "rtsp://[2001:db8::7/",
    "rtsp://2001:db8::7/", "rtsp://[10.20.0.7]/", "rtsp://[2001:db8::7]x/", "rtsp://[v1.a]/", "rtsp://[]/",
    "rtsp://10.99.0.1/", "rtsp://127.0.0.1/", "rtsp://[::1]/", "rtsp://[2001:db9::7]/",
    "rtsp://10.20.0.7\r\nX: y/", "rtsp://10.20.0.7/a\r\nSETUP b", "rtsp://10.20.0.7/a\0b", "rtsp://10.20.0.7/a\tb",
    "rtsp://10.20.0.7/a b", "rtsp://10.20.0.7/ä", "rtsp://１０.２０.０.７/", "rtsp://10。20。0。7/", "rtsp://\u202ecam/",
    "rtsp://10.20.0.7/" + "a" * MOST_LENGTH, "rtsp://" + "a." * 200 + "b/", "rtsp://" + "a" * 64 + ".b/",
    "rtsp://10.20.0.7:0/", "rtsp://10.20.0.7:00554/", "rtsp://10.20.0.7:65536/", "rtsp://10.20.0.7:99999/",
    "rtsp://10.20.0.7:-1/", "rtsp://10.20.0.7:+554/", "rtsp://10.20.0.7: 554/", "rtsp://10.20.0.7:/", "rtsp://10.20.0.7:5x/",
    "rtsp://10.20.0.7:22/", "rtsp://10.20.0.7:25/", "rtsp://10.20.0.7:111/", "rtsp://10.20.0.7:445/",
    "rtsp:\\\\10.20.0.7\\a", "rtsp://10.20.0.7\\a", "rtsp:/\\10.20.0.7/a", "rtsp://10.20.0.7/a\\b",
    "rtsp://10.20.0.7/#a", "rtsp://10.20.0.7#a", "rtsp://10.20.0.7/a#", "rtsp://10.20.0.7/a|b", "rtsp://10.20.0.7/<a>",
    "rtsp://10.20.0.7/%", "rtsp://10.20.0.7/%0", "rtsp://10.20.0.7/%zz", "rtsp://10.20.0.7/%00", "rtsp://10.20.0.7/%0d%0a",
    "rtsp://10.20.0.7/%2f", "rtsp://10.20.0.7/%5c", "rtsp://10.20.0.7/%252e", "rtsp://%31%30.20.0.7/", "rtsp://10.20.0%2e7/",
    "rtsp://10.20.0.7/../a", "rtsp://10.20.0.7/%2e%2e/a", "rtsp://-cam.example/", "rtsp://cam..example/",
    "rtsp://cam_1.example/", "rtsp://*.example/", "rtsp://cam.example:554:554/", "rtsp://cam.example,10.20.0.7/",
]  # fmt: skip

NEVER = [
    "169.254.169.254", "169.254.1.2", "100.100.100.200", "192.0.0.192", "0.0.0.1", "0.1.2.3", "224.0.0.1", "239.1.2.3",
    "255.255.255.255", "240.0.0.1", "::", "::2", "::ffff:10.20.0.7", "fe80::1", "ff02::1", "fd00:ec2::254",
    "2002:a14:7::1", "2001::1", "64:ff9b::a14:7", "64:ff9b:1::1",
    "168.63.129.16", "fd20:ce::254", "2001:db8::5efe:10.20.0.7", "2001:db8::200:5efe:169.254.169.254",
]  # fmt: skip


class Resolver:
    """Gives other answers each time, if it has several rounds of them."""

    def __init__(self, *rounds: Sequence[str]) -> None:
        self.rounds = list(rounds)
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.rounds[min(len(self.asked), len(self.rounds)) - 1]


def named(*answers: str) -> Resolver:
    """A resolver that knows one name, and remembers how often it was asked."""
    return Resolver(answers)


def refusal(address: str, networks: Sequence[str] = NETWORKS, resolver: Resolver | None = None) -> str:
    """What is said of an address that is refused."""
    with pytest.raises(AddressError) as refused:
        check_address(address, SCHEMES, networks, resolver or named("10.20.0.7"))
    return str(refused.value)


@pytest.mark.parametrize("address", HOSTILE)
def test_a_hostile_address_is_refused(address: str) -> None:
    """On one short line: place, wanted, got; no password, and nothing was looked up."""
    resolver = named("10.20.0.7")
    said = refusal(address, resolver=resolver)
    assert re.fullmatch(r".+: wanted .+, got .+", said)
    assert said.isprintable()
    assert len(said) < 400
    assert not any(secret in said for secret in ("hunter2", "hun/", "ter2"))
    assert resolver.asked == []


@pytest.mark.parametrize("ip", NEVER)
def test_some_addresses_are_dialled_nowhere(ip: str) -> None:
    """Those of links, of clouds' metadata, of many, and other forms of IPv4, whatever a site allows."""
    literal = f"[{ip}]" if ":" in ip else ip
    assert "which is" in refusal(f"rtsp://{literal}/a", EVERYWHERE)
    assert "which is" in refusal("rtsp://cam.example/a", EVERYWHERE, named("10.20.0.7", ip))


@pytest.mark.parametrize(
    ("address", "ip", "port", "path"),
    [
        ("rtsp://10.20.0.7", "10.20.0.7", 554, "/"),
        ("RTSP://10.20.0.7:8554/Stream/1?channel=2&sub=0", "10.20.0.7", 8554, "/Stream/1?channel=2&sub=0"),
        ("rtsps://[2001:db8::7]/a", "2001:db8::7", 322, "/a"),
        ("rtsps://Cam-1.Example:554/a", "10.20.0.9", 554, "/a"),
        ("https://10.20.255.255/video%20one/%E5%8C%97", "10.20.255.255", 443, "/video%20one/%E5%8C%97"),
        ("https://10.20.0.7?x=1", "10.20.0.7", 443, "/?x=1"),
    ],
)
def test_an_address_of_a_camera_is_dialled(address: str, ip: str, port: int, path: str) -> None:
    """At the literal address, in whatever case it is written."""
    dialled = check_address(address, SCHEMES, NETWORKS, named("10.20.0.9"))
    assert (dialled.ip, dialled.address.port, dialled.address.path) == (ip, port, path)


def test_a_name_is_looked_up_once_and_dialled_by_its_address() -> None:
    """A name server that gives another answer the second time is not asked a second time."""
    resolver = Resolver(["10.20.0.7", "10.20.0.8"], ["169.254.169.254"])
    dialled = check_address("rtsp://cam.example/a", SCHEMES, NETWORKS, resolver)
    assert (dialled.ip, dialled.address.host, resolver.asked) == ("10.20.0.7", "cam.example", ["cam.example"])


def test_each_address_of_a_name_has_its_turn() -> None:
    """Where the first does not answer, as one of IPv6 that nobody routes, the next attempt dials the next."""
    both = named("2001:db8::7", "10.20.0.7")
    turns = [check_address("rtsp://cam.example/a", SCHEMES, NETWORKS, both, turn).ip for turn in range(4)]
    assert turns == ["2001:db8::7", "10.20.0.7"] * 2


@pytest.mark.parametrize(
    "answers",
    [
        ["10.20.0.7", "10.99.0.1"], ["10.99.0.1"], ["10.20.0.7", "127.0.0.1"], ["2001:db8::7", "2001:db9::7"], [],
        ["10.20.0.7"] * 17, ["fe80::1%eth0"], ["2001:db8::7%1"], ["cam.example"], ["10.20.0.7 "], ["0x0a140007"],
    ],
)  # fmt: skip
def test_every_address_of_a_name_must_be_allowed(answers: list[str]) -> None:
    """One that is not is enough to dial none."""
    assert "rtsp://cam.example:554: wanted " in refusal("rtsp://cam.example/a", resolver=named(*answers))


def test_a_name_that_leads_nowhere_is_refused() -> None:
    """With the resolver's words."""

    def nowhere(_host: str) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(AddressError, match="not known"):
        check_address("rtsp://cam.example/a", SCHEMES, NETWORKS, nowhere)


def test_nothing_is_dialled_where_nothing_is_allowed() -> None:
    """Neither without networks nor without schemes."""
    assert "networks" in refusal("rtsp://10.20.0.7/a", ())
    with pytest.raises(AddressError, match="no scheme is allowed"):
        check_address("rtsp://10.20.0.7/a", (), NETWORKS)


def test_this_machine_is_a_network_like_others() -> None:
    """Loopback is dialled where a site says so."""
    assert check_address("rtsp://127.0.0.1:8554/a", SCHEMES, ("127.0.0.0/8",)).ip == "127.0.0.1"
    assert check_address("rtsp://[::1]:8554/a", SCHEMES, ("::1/128",)).ip == "::1"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"networks": ["10.20.0.1/16"]}, "networks"),
        ({"networks": ["everywhere"]}, "networks"),
        ({"schemes": ["file"]}, "schemes"),
        ({"every_ms": 0}, "every_ms"),
        ({"read_timeout_s": 0.0}, "read_timeout_s"),
        ({"cameras": {"cam": {"address": ""}}}, "address"),
        ({"cameras": {"cam": {"address": "rtsp://10.20.0.7", "password_file": "a"}}}, "user"),
        ({"cameras": {"cam": {"address": "rtsp://10.20.0.7", "password": "hunter2"}}}, "password"),
    ],
)
def test_settings_that_cannot_be_are_refused(said: dict[str, object], wrong: str) -> None:
    """When they are read, at the place that is wrong."""
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert(said, VideoSettings)


def test_a_camera_that_could_only_fail_is_not_made(tmp_path: Path) -> None:
    """A wrong address and a password that is not there are told at once, with the camera's place in the settings."""
    settings = VideoSettings(networks=NETWORKS)
    with pytest.raises(AddressError, match=r"^video\.cameras\.cam-1: rtsp://10\.99\.0\.1:554: wanted "):
        LiveCamera("cam-1", CameraSource(address="rtsp://10.99.0.1/a"), settings, tmp_path)
    source = CameraSource(address="rtsp://10.20.0.7/a", user="viewer", password_file="absent")  # noqa: S106 - a file
    with pytest.raises(SettingsError, match=r"^video\.cameras\.cam-1\.password_file: wanted a file"):
        LiveCamera("cam-1", source, settings, tmp_path)
    for name, data in (("nowhere", None), ("site.toml", b"[video]\n")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        trusting = VideoSettings(networks=NETWORKS, tls_ca=name)
        with pytest.raises(
            SettingsError, match=rf"^video\.tls_ca: wanted a file of certificates \(PEM\), got .*{name}"
        ):
            LiveCamera("cam-1", CameraSource(address="rtsps://10.20.0.7/a"), trusting, tmp_path)
    (tmp_path / "absent").write_text("\n")
    with pytest.raises(SettingsError, match=r"^video\.cameras\.cam-1\.password_file: wanted a password"):
        LiveCamera("cam-1", source, settings, tmp_path)
