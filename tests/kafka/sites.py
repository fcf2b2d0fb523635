"""Sites on the tests' broker: a folder with settings, as the commands around Kafka read it."""

from pathlib import Path

from city_brain.kafka.admin import Difference, apply, plan
from city_brain.kafka.settings import KafkaSettings
from city_brain.site import read_settings


def a_site(folder: Path, servers: str, prefix: str, *lines: str, top: str = "") -> Path:
    """A folder with site.toml; `lines` follow in the table [kafka], `top` stands before it."""
    folder.mkdir(parents=True, exist_ok=True)
    quoted = ", ".join(f'"{server}"' for server in servers.split(","))
    kafka = ["[kafka]", f"bootstrap_servers = [{quoted}]", f'topic_prefix = "{prefix}"', *lines]
    (folder / "site.toml").write_text("\n".join([top, *kafka, ""]), encoding="utf-8")
    return folder


def kafka_settings(site: Path) -> KafkaSettings:
    """What a site's folder says of Kafka."""
    return read_settings(site / "site.toml").kafka


def planned(site: Path) -> list[Difference]:
    """What the site's topics lack."""
    settings = read_settings(site / "site.toml")
    return plan(settings.kafka, settings.partitions)


def applied(site: Path, *, shorten_retention: bool = False) -> list[Difference]:
    """Makes the site's topics, and answers what was changed."""
    settings = read_settings(site / "site.toml")
    return apply(settings.kafka, settings.partitions, shorten_retention=shorten_retention)
