"""How brokers are spoken to: nothing goes to another machine in the clear unless it is allowed by name."""

import re
from pathlib import Path

import pytest

from city_brain.errors import SettingsError
from city_brain.kafka.settings import KafkaSettings, WorkerSettings
from city_brain.kafka.topics import RAW_TOPICS, raw_partitions, raw_topic, topics
from city_brain.observations.vocabulary import Kind
from city_brain.servers.settings import HttpSettings, ListenSettings, StoreSettings
from city_brain.site import SiteSettings, read_settings
from city_brain.vision.live.settings import VideoSettings
from tests.house import ROOT


def settings_of(folder: Path, text: str) -> SiteSettings:
    """What site.toml gives."""
    (folder / "site.toml").write_text(text, encoding="utf-8")
    return read_settings(folder / "site.toml")


@pytest.mark.parametrize(
    "server", ["kafka.city.example:9092", "10.0.0.7:9092", "[2001:db8::1]:9092", "localhost.evil:1"]
)
def test_another_machine_is_not_spoken_to_in_the_clear(tmp_path: Path, server: str) -> None:
    """Without TLS a broker elsewhere is refused, with the file and what would allow it."""
    with pytest.raises(SettingsError, match=r"site.toml.*wanted TLS.*insecure = true.*\$.kafka"):
        settings_of(tmp_path, f'[kafka]\nbootstrap_servers = ["127.0.0.1:9092", "{server}"]\n')
    allowed = settings_of(tmp_path, f'[kafka]\nbootstrap_servers = ["{server}"]\ninsecure = true\n')
    assert allowed.kafka.connection() == {"bootstrap_servers": [server]}


@pytest.mark.parametrize("server", ["127.0.0.1:9092", "[::1]:9092", "localhost:9092"])
def test_this_machine_is_spoken_to_as_it_is(tmp_path: Path, server: str) -> None:
    assert settings_of(tmp_path, f'[kafka]\nbootstrap_servers = ["{server}"]\n').kafka.bootstrap_servers == (server,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('bootstrap_servers = ["127.0.0.1"]', "wanted host:port"),
        ('bootstrap_servers = ["kafka://127.0.0.1:9092"]', "wanted host:port"),
        ("bootstrap_servers = []", "length >= 1"),
        ('topic_prefix = "a b"', "regex"),
        ("replication_factor = 0", ">= 1"),
        ("partitions = 3", "unknown field `partitions`"),
        ("[kafka.raw_partitions]\ncameras = 3", "unknown field `cameras`"),
        ('[kafka.tls]\ncertificate_file = "a.pem"', "certificate_file and key_file"),
        ('[kafka.sasl]\nusername = "u"\npassword_file = "p"', "wanted TLS with it"),
        ('[kafka.tls]\n[kafka.sasl]\nmechanism = "GSSAPI"\nusername = "u"\npassword_file = "p"', "Invalid enum"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"site\.toml: wanted settings of a site, got: ") as wrong:
        settings_of(tmp_path, f"[kafka]\n{text}\n")
    assert said in str(wrong.value)


def test_a_password_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    """The password is read when it is used, its line end is none of it, and a file without one is told."""
    secret = tmp_path / "secret"
    text = f'[kafka]\n[kafka.tls]\n[kafka.sasl]\nusername = "city"\npassword_file = "{secret}"\n'
    kafka = settings_of(tmp_path, text).kafka
    with pytest.raises(SettingsError, match=r"password_file: wanted a file that can be read, got .*secret"):
        kafka.connection()
    secret.write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="wanted a password on the first line"):
        kafka.connection()
    secret.write_text("open sesame\n", encoding="utf-8")
    told = kafka.connection()
    assert (told["security_protocol"], told["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (told["sasl_plain_username"], told["sasl_plain_password"]) == ("city", "open sesame")


def test_files_of_tls_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    kafka = settings_of(tmp_path, f'[kafka]\n[kafka.tls]\nca_file = "{tmp_path}/ca.pem"\n').kafka
    with pytest.raises(SettingsError, match=r"kafka.tls: wanted PEM files .* got .*ca.pem"):
        kafka.connection()


def test_the_table_of_topics_follows_settings(tmp_path: Path) -> None:
    """Raw topics are as wide as settings say, in the order of kinds; fusion and its state are as wide as the city."""
    settings = settings_of(tmp_path, "[kafka]\nreplication_factor = 3\n[kafka.raw_partitions]\nsensors = 2\n").kafka
    table = {topic.name: topic for topic in topics(settings, 6)}
    assert list(table)[:4] == list(RAW_TOPICS)[:4] == [raw_topic(kind) for kind in Kind]
    assert raw_partitions(settings) == {name: table[name].partitions for name in RAW_TOPICS}
    assert {name: topic.partitions for name, topic in table.items()} == {
        "video.detections": 4, "signal.states": 1, "sensor.readings": 2, "reports": 1, "observations": 6,
        "fusion.ticks": 1, "incidents": 1, "fusion.state": 6, "desk.state": 1, "control": 1, "dead.letters": 1,
    }  # fmt: skip
    assert {name for name, topic in table.items() if topic.timestamp == "LogAppendTime"} == {*RAW_TOPICS}
    assert {name for name, topic in table.items() if topic.cleanup == "compact"} == {
        "fusion.state", "desk.state", "control",
    }  # fmt: skip
    assert {topic.configs(3)["min.insync.replicas"] for topic in table.values()} == {"2"}


def test_the_document_shows_settings_and_topics_that_are(tmp_path: Path) -> None:
    """The sites in deploy/README.md can be read, every key has its row there, and so has every topic."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```toml\n(.*?)```", text.split("\n## The feed\n")[0], re.DOTALL)
    assert [settings_of(tmp_path, site).kafka.replication_factor for site in shown] == [1, 3]
    tables = [re.findall(r"`([\w.]+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    named = [name for cells in tables for name in cells]
    groups = (KafkaSettings, WorkerSettings, VideoSettings, ListenSettings, HttpSettings, StoreSettings)
    keys = [key for group in groups for key in group.__struct_fields__]
    assert sorted(named) == sorted([*keys, *(topic.name for topic in topics(KafkaSettings(production=True), 1))])
