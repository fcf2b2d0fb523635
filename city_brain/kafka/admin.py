"""What a cluster lacks of the table of topics, and how it gets that: never by losing records unasked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from city_brain.errors import BrokerError
from city_brain.kafka.connecting import AdminClient, admin
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import Topic, topics

ABSENT = "nothing"


@dataclass(frozen=True)
class Difference:
    """Where the cluster is not as the table wants, and what would be done about it: `refuse` with a reason."""

    topic: str
    what: str
    wanted: str
    got: str
    action: Literal["create", "raise", "alter", "refuse"]
    why: str = ""

    def __str__(self) -> str:
        said = f"topic {self.topic} {self.what}: wanted {self.wanted}, got {self.got}"
        return f"{said}; {self.why}" if self.why else said


def plan(settings: KafkaSettings, partitions: int, *, shorten_retention: bool = False) -> list[Difference]:
    """All differences, topic by topic; empty where the cluster is as the table wants."""
    with admin(settings) as client:
        return differences(client, settings, topics(settings, partitions), shorten_retention)


def apply(settings: KafkaSettings, partitions: int, *, shorten_retention: bool = False) -> list[Difference]:
    """Makes the cluster as the table wants, and answers what was changed.

    Raises BrokerError, before anything is changed, where that would lose records or cannot be done from here.
    """
    table = topics(settings, partitions)
    with admin(settings) as client:
        found = differences(client, settings, table, shorten_retention)
        refused = [difference for difference in found if difference.action == "refuse"]
        if refused:
            raise BrokerError("refused, and nothing was changed:\n" + "\n".join(f"  {said}" for said in refused))
        _create(client, settings, [topic for topic in table if _has(found, settings.topic(topic.name), "create")])
        _raise(client, {said.topic: int(said.wanted) for said in found if said.action == "raise"})
        _alter(client, [said for said in found if said.action == "alter"])
        return found


def differences(
    client: AdminClient, settings: KafkaSettings, table: Sequence[Topic], shorten_retention: bool = False
) -> list[Difference]:
    """What `plan` answers, with a client that is already there."""
    names = [settings.topic(topic.name) for topic in table]
    described = {said["name"]: said for said in client.describe_topics(names)}
    there = [name for name in names if not described[name]["error_code"]]
    configs = _configs(client, there)
    found: list[Difference] = []
    for name, topic in zip(names, table, strict=True):
        if name not in there:
            wanted = f"{topic.partitions} × {settings.replication_factor}"
            found.append(Difference(name, "partitions × copies", wanted, ABSENT, "create"))
            continue
        found += _of_partitions(name, topic, settings, described[name]["partitions"])
        for key, value in topic.configs(settings.replication_factor).items():
            if configs[name].get(key) != value:
                found.append(_of_config(name, key, value, configs[name].get(key, ABSENT), shorten_retention))
    return found


def _of_partitions(
    name: str, topic: Topic, settings: KafkaSettings, got: list[dict[str, list[int]]]
) -> list[Difference]:
    found = []
    if len(got) != topic.partitions:
        more = topic.partitions > len(got)
        why = "" if more else "Kafka cannot shrink a topic: delete it with all its records, or want as many as it has"
        action: Literal["raise", "refuse"] = "raise" if more else "refuse"
        found.append(Difference(name, "partitions", str(topic.partitions), str(len(got)), action, why))
    copies = {len(partition["replica_nodes"]) for partition in got}
    if copies != {settings.replication_factor}:
        told = ", ".join(str(number) for number in sorted(copies))
        why = "copies are moved with kafka-reassign-partitions"
        found.append(Difference(name, "copies", str(settings.replication_factor), told, "refuse", why))
    return found


def _of_config(name: str, key: str, wanted: str, got: str, shorten_retention: bool) -> Difference:
    if key == "cleanup.policy":
        why = "records would go at once: alter it by hand if that is meant"
        return Difference(name, key, wanted, got, "refuse", why)
    if key == "retention.ms" and got != ABSENT and _lasts(wanted) < _lasts(got) and not shorten_retention:
        why = "older records would go: allow it by name, --shorten-retention"
        return Difference(name, key, wanted, got, "refuse", why)
    return Difference(name, key, wanted, got, "alter")


def _lasts(retention_ms: str) -> float:
    return float("inf") if retention_ms == "-1" else float(retention_ms)


def _configs(client: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """All settings of the topics, those by default too."""
    if not names:
        return {}
    from kafka.admin import ConfigResource, ConfigResourceType

    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    told = client.describe_configs(asked, config_filter="all")["topic"]
    return {name: {key: str(said["value"]) for key, said in told[name].items()} for name in names}


def _has(found: Iterable[Difference], name: str, action: str) -> bool:
    return any(said.topic == name and said.action == action for said in found)


def _create(client: AdminClient, settings: KafkaSettings, wanted: list[Topic]) -> None:
    if wanted:
        made = {
            settings.topic(topic.name): {
                "num_partitions": topic.partitions,
                "replication_factor": settings.replication_factor,
                "configs": topic.configs(settings.replication_factor),
            }
            for topic in wanted
        }
        client.create_topics(made, wait_for_metadata=True)


def _raise(client: AdminClient, counts: dict[str, int]) -> None:
    if counts:
        client.create_partitions(counts)
        client.wait_for_topics(list(counts))


def _alter(client: AdminClient, found: list[Difference]) -> None:
    if found:
        from kafka.admin import ConfigResource, ConfigResourceType

        changes: dict[str, dict[str, str]] = {}
        for said in found:
            changes.setdefault(said.topic, {})[said.what] = said.wanted
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, new) for name, new in changes.items()])
