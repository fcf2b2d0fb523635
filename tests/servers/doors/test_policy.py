"""policy.toml is read strictly: every mistake is said with its place, what was wanted and got, and what is near."""

import random
import re

import pytest

from city_brain.errors import SettingsError
from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.peers import Peer
from city_brain.servers.doors.permissions import KNOWN, OPEN, PERMISSIONS, WORDS, calls_of, check_declared
from city_brain.servers.doors.policy import Policy, policy_of
from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import NAMES

PRINT = "ab" * 32
GOOD = """
[departments.fire]
certificates = ["dns:Fire.city.example", "sha256:%s", "uri:spiffe://city/fire", "cn:fire desk"]
permissions = ["feed.read", "feed.watch"]
types = ["fire", "crash", "fire"]
areas = ["370102"]
minimum_level = "III"

[departments.police]
certificates = ["dns:police.city.example"]
permissions = []
""" % ":".join(re.findall("..", PRINT.upper()))  # noqa: UP031 (braces are many here)


def read(text: str) -> Policy:
    """The policy of a text."""
    return policy_of(text.encode(), "policy.toml", NAMES)


def who(policy: Policy, **said: object) -> str:
    """The name of the caller with such a certificate; the reason where it is refused."""
    try:
        return policy.department_of(Peer(**{"fingerprint": "00" * 32, **said})).name  # type: ignore[arg-type]
    except RefusedError as refusal:
        return refusal.reason


def test_a_department_is_known_by_each_of_its_certificates() -> None:
    """By fingerprint, host, URI and common name; nobody else is."""
    policy = read(GOOD)
    assert who(policy, fingerprint=PRINT) == "fire"
    assert who(policy, dns=("other.example", "fire.city.example")) == "fire"
    assert who(policy, uris=("spiffe://city/fire",)) == "fire"
    assert who(policy, common_name="fire desk") == "fire"
    assert who(policy, dns=("police.city.example",)) == "police"
    assert who(policy) == who(policy, common_name="fire") == Reason.NOT_KNOWN
    assert who(policy, dns=("police.city.example",), common_name="fire desk") == Reason.NOT_KNOWN


def test_rights_and_scope_are_what_the_file_says() -> None:
    """The order and repetition of names do not count."""
    fire = read(GOOD).departments["fire"]
    assert fire.permissions == {"feed.read", "feed.watch"}
    assert fire.scope == Wanted(types=("crash", "fire"), area_codes=("370102",), minimum_level="III")
    assert read(GOOD).departments["police"].scope == Wanted()
    assert fire == read(GOOD.replace('["fire", "crash", "fire"]', '["crash", "fire"]')).departments["fire"]


def test_callers_without_a_certificate_are_anonymous_only_where_the_policy_says_so() -> None:
    """Else they are refused."""
    with pytest.raises(RefusedError, match="wanted a certificate"):
        read(GOOD).department_of(None)
    policy = read('[anonymous]\npermissions = ["feed.read"]\ntypes = ["crash"]\n')
    caller = policy.department_of(None)
    assert (caller.name, caller.permissions, caller.scope.types) == ("anonymous", {"feed.read"}, ("crash",))
    assert who(policy) == Reason.NOT_KNOWN, "a certificate of nobody is not anonymous"


def fire(line: str) -> str:
    """A department with one line of its own beside what it must have."""
    have = ('certificates = ["dns:fire.city.example"]', "permissions = []")
    return "\n".join(["[departments.fire]", *(one for one in have if one.split()[0] != line.split()[0]), line])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "policy.toml: wanted at least one department, or a table anonymous, got none"),
        ("[departments", "policy.toml: wanted TOML, got: "),
        ("\udcff", "policy.toml: wanted TOML, got: "),
        (
            "[department.fire]",
            "policy.toml: key: wanted one of departments, anonymous; got 'department'; did you mean 'dep",
        ),
        ("departments = 3", "policy.toml: wanted `object`, got `int` at `departments`"),
        ("[departments]\nfire = 3", "policy.toml: departments.fire: wanted `object`, got `int`"),
        ("[departments.'a b']\n", "departments.a b: wanted a name of letters, digits"),
        ("[departments.anonymous]\n", "departments.anonymous: wanted a name .* other than anonymous and operator"),
        ("[departments.operator]\n", "departments.operator: wanted a name .* other than anonymous and operator"),
        ("[departments.fire]\npermissions = []", "departments.fire: wanted `certificates`"),
        ('[departments.fire]\ncertificates = ["cn:x"]', "departments.fire: wanted `permissions`"),
        (
            fire("permisions = []"),
            "departments.fire: key: wanted one of .*; got 'permisions'; did you mean 'permissions'?",
        ),
        (fire("permissions = 'feed.read'"), "departments.fire: wanted `array`, got `str` at `permissions`"),
        (fire("permissions = [3]"), r"departments.fire: wanted `str`, got `int` at `permissions\[0\]`"),
        (
            fire("permissions = ['feed.raed']"),
            "departments.fire.permissions: .* got 'feed.raed'; did you mean 'feed.read'?",
        ),
        (fire("permissions = ['open']"), "departments.fire.permissions: wanted one of feed.read, .*; got 'open'"),
        (fire("types = ['crsh']"), "departments.fire.types: .* got 'crsh'; did you mean 'crash'?"),
        (fire("areas = ['370103']"), "departments.fire.areas: .* got '370103'; did you mean '370102'?"),
        (fire("minimum_level = '5'"), "departments.fire.minimum_level: wanted one of I, II, III, IV; got '5'"),
        (fire("minimum_level = 3"), "departments.fire: wanted `str`, got `int` at `minimum_level`"),
        (fire(f"types = {['crash'] * 101}"), "departments.fire.types: wanted at most 100 names, got 101"),
        (fire("certificates = []"), "departments.fire.certificates: wanted at least one, got none"),
        (fire("certificates = ['sha256:abc']"), r"certificates\[0\]: wanted 64 hex digits behind sha256:"),
        (fire("certificates = ['sha1:abc']"), r"certificates\[0\]: wanted sha256:, dns:, .* did you mean 'sha256'?"),
        (fire("certificates = ['fire.city.example']"), r"certificates\[0\]: wanted sha256:, dns:, uri: or cn:"),
        (fire("certificates = ['dns:*.example']"), r"certificates\[0\]: wanted one name of a host .* no pattern"),
        (fire("certificates = ['dns:']"), r"certificates\[0\]: wanted one name of a host"),
        (fire("certificates = ['uri:fire']"), r"certificates\[0\]: wanted a URI"),
        (fire("certificates = ['cn: ']"), r"certificates\[0\]: wanted a common name"),
        (fire("certificates = ['cn:x', \"cn:a\\u0000b\"]"), r"certificates\[1\]: wanted a common name"),
        ("[anonymous]\ncertificates = ['cn:x']", "anonymous: key: wanted one of .*; got 'certificates'"),
        ("[anonymous]\n", "anonymous: wanted `permissions`"),
        ("anonymous = true", "policy.toml: wanted `object | null`, got `bool` at `anonymous`"),
        ("#" * (1 << 21), "policy.toml: wanted at most 1048576 bytes, got 2097152"),
    ],
)
def test_a_mistake_is_said(text: str, said: str) -> None:
    """With its place in the file."""
    with pytest.raises(SettingsError, match=said.replace("?", r"\?").replace("|", r"\|")):
        policy_of(text.encode("utf-8", "surrogateescape"), "policy.toml", NAMES)


def test_one_certificate_speaks_for_one_department() -> None:
    """Also where the same is written in other letters."""
    police = '[departments.police]\ncertificates = ["dns:FIRE.city.example"]\npermissions = []\n'
    with pytest.raises(SettingsError, match=r"police.certificates\[0\]: wanted a certificate of one .* which fire has"):
        read(fire("types = []") + "\n" + police)
    read(fire("certificates = ['dns:fire.city.example', 'dns:FIRE.city.example']"))


def test_decisions_are_those_of_a_naive_reading() -> None:
    """0 differences in 50 000 random policies, callers and permissions, read off the text as a person would."""
    chance = random.Random(20_260_702)
    names = [f"dns:{letter}.example" for letter in "abcdefgh"] + [f"cn:{letter}" for letter in "abcdefgh"]
    let_in = 0
    for _ in range(500):
        free = chance.sample(names, len(names))
        said = {
            f"d{at}": ([free.pop() for _ in range(chance.randint(1, 4))], chance.sample(WORDS, chance.randint(0, 7)))
            for at in range(chance.randint(1, 4))
        }
        text = "".join(
            f"[departments.{name}]\ncertificates = {certificates}\npermissions = {words}\n"
            for name, (certificates, words) in said.items()
        )
        policy = read(text)
        for _ in range(100):
            shown, word = chance.sample(names, chance.randint(0, 3)), chance.choice(WORDS)
            hosts = tuple(name[4:] for name in shown if name.startswith("dns:"))
            common = [name[3:] for name in shown if name.startswith("cn:")][:1]
            held = [f"dns:{host}" for host in hosts] + [f"cn:{name}" for name in common]
            owners = [name for name, (certificates, _) in said.items() if any(one in certificates for one in held)]
            wanted = len(owners) == 1 and word in said[owners[0]][1]
            try:
                peer = Peer(fingerprint=PRINT, dns=hosts, common_name="".join(common))
                policy.department_of(peer).must(word)
                got = True
            except RefusedError:
                got = False
            assert got == wanted, (text, held, word)
            let_in += got
    assert 5_000 < let_in < 45_000


def test_a_city_without_areas_says_so() -> None:
    """A scope by area would hide everything from its department, in silence."""
    with pytest.raises(SettingsError, match="areas: wanted one of nothing, for this city has none; got '370102'"):
        policy_of(fire("areas = ['370102']").encode(), "policy.toml", type(NAMES)(types=NAMES.types))


def test_every_call_says_what_it_takes() -> None:
    """Words are those that a policy can grant; open are health and nothing else."""
    assert set(PERMISSIONS.values()) <= {*WORDS, OPEN, KNOWN}
    assert {call.split("/")[1] for call, word in PERMISSIONS.items() if word == OPEN} == {"grpc.health.v1.Health"}


def test_a_call_that_says_nothing_keeps_the_server_from_starting() -> None:
    """Named with the service; an unknown word is as good as none, and so is an unknown service."""
    feed = feed_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name
    check_declared([feed])
    for call in calls_of(feed):
        others = {name: word for name, word in PERMISSIONS.items() if name != call}
        for table in (others, others | {call: "feed.everything"}):
            with pytest.raises(SettingsError, match=f"call {call}: wanted a permission"):
                check_declared([feed], table)
    with pytest.raises(SettingsError, match="wanted one with a descriptor, got none"):
        check_declared(["citybrain.feed.v1.NoService"])
