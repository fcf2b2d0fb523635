"""Redrive: dead letters go back into the raw topic and partition that they came from, once what was wrong is mended.

A letter goes once: what was sent is remembered in `dead.letters` itself, beside the letters. What is refused again
comes back as a letter that names where it was redriven from, and stays, so that nothing goes round for ever; `again`
sends those too, each once. A crash between sending and remembering sends rows twice, which are counted as duplicates.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from city_brain.errors import RecordingError
from city_brain.kafka.connecting import Consumer, Producer, consumer, last_stamp_ms, producer, records
from city_brain.kafka.dead_letters import REDRIVEN_HEADER, DeadLetter, Place, Redriven
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import CONTROL, DEAD_LETTERS, RECORD_BYTES_MAX, raw_partitions

BATCH_LETTERS: Final = 500
BATCH_BYTES: Final = 16 << 20
"""So many letters go together; then they are acknowledged and remembered."""


@dataclass(frozen=True)
class Choice:
    """Which letters: with a `reason` among theirs (any where empty), about records that arrived since (epoch ms)."""

    reason: str = ""
    since_ms: int = 0
    again: bool = False
    """Also letters about records that had been redriven themselves."""

    def takes(self, letter: DeadLetter) -> bool:
        """Whether reason and time are those asked for; a reason is named with its counter or without."""
        named = any(self.reason in (reason, reason.partition(".")[2]) for reason in letter.reasons)
        return letter.stamp_ms >= self.since_ms and (named or not self.reason)


@dataclass
class Redrive:
    """What became of the letters; each is in exactly one of these, but `rows`: rows and lines of those sent."""

    letters: int = 0
    sent: int = 0
    repeated: int = 0
    """The same record again, after a crash of ingest."""
    redriven_before: int = 0
    refused_again: int = 0
    not_chosen: int = 0
    empty: int = 0
    """Records without a byte: there is nothing to send."""
    elsewhere: int = 0
    """Of a topic or partition that this site has not."""
    unreadable: int = 0
    rows: Counter[str] = field(default_factory=Counter)


def redrive(settings: KafkaSettings, choice: Choice, dry_run: bool, told: Callable[[Redrive], None]) -> Redrive:
    """Sends the chosen letters back; with `dry_run` only counts. Raises BrokerError where a broker refuses."""
    done = Redrive()
    with consumer(settings) as client:
        known = set[Place]()
        for record in records(client, settings.topic(DEAD_LETTERS)):
            if Redriven.is_one(record.headers):
                known.update(Redriven.read(record.value).places)
        chosen = _chosen(records(client, settings.topic(DEAD_LETTERS)), settings, choice, known, done)
        if dry_run:
            for letter in chosen:
                _count(done, [letter])
        else:
            with producer(settings, max_request_size=RECORD_BYTES_MAX) as sender, consumer(settings) as reader:
                ends = _Ends(reader)
                for batch in _batches(chosen):
                    _send(sender, settings, batch, ends)
                    _count(done, batch)
                    told(done)
    return done


def _chosen(
    found: Iterator[Any], settings: KafkaSettings, choice: Choice, known: set[Place], done: Redrive
) -> Iterator[DeadLetter]:
    """The letters that are to be sent; all others are counted."""
    widths = {settings.topic(name): count for name, count in raw_partitions(settings).items()}
    seen = set[Place]()
    for record in found:
        if Redriven.is_one(record.headers):
            continue
        done.letters += 1
        try:
            letter = DeadLetter.read(record.headers, record.value or b"")
        except RecordingError:
            done.unreadable += 1
            continue
        if letter.place in seen:
            done.repeated += 1
        elif letter.place in known:
            done.redriven_before += 1
        elif letter.redriven_from and not choice.again:
            done.refused_again += 1
        elif not choice.takes(letter):
            done.not_chosen += 1
        elif not letter.value:
            done.empty += 1
        elif letter.topic == settings.topic(CONTROL):
            done.not_chosen += 1  # a configuration is announced anew, and then with all checks
        elif not 0 <= letter.partition < widths.get(letter.topic, 0):
            done.elsewhere += 1
        else:
            yield letter
        seen.add(letter.place)


def _batches(letters: Iterator[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        batch.append(letter)
        size += len(letter.value)
        if len(batch) >= BATCH_LETTERS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _send(sender: Producer, settings: KafkaSettings, batch: list[DeadLetter], ends: "_Ends") -> None:
    """Sends letters in their order, then remembers them; returns when all that is stored."""
    sent = [
        sender.send(
            letter.topic, letter.value, partition=letter.partition, timestamp_ms=ends.stamp_ms(letter),
            headers=[(REDRIVEN_HEADER, letter.name.encode())],
        )
        for letter in batch
    ]  # fmt: skip
    for future in sent:
        future.get(2 * settings.request_wait_s + 1)
    memory = Redriven(tuple(letter.place for letter in batch))
    note = sender.send(
        settings.topic(DEAD_LETTERS), memory.value, key=Redriven.KEY, partition=0, headers=list(memory.headers),
        timestamp_ms=max(letter.stamp_ms for letter in batch),
    )  # fmt: skip
    note.get(2 * settings.request_wait_s + 1)


class _Ends:
    """When a letter arrives again: live topics stamp it anew, and the topics of a recording as of their last record."""

    def __init__(self, client: Consumer) -> None:
        self._client = client
        self._last_ms: dict[tuple[str, int], int] = {}

    def stamp_ms(self, letter: DeadLetter) -> int:
        """Not before anything that the raw partition holds already."""
        place = letter.topic, letter.partition
        if place not in self._last_ms:
            self._last_ms[place] = last_stamp_ms(self._client, *place)
        return max(letter.stamp_ms, self._last_ms[place])


def _count(done: Redrive, batch: list[DeadLetter]) -> None:
    done.sent += len(batch)
    for letter in batch:
        done.rows.update(letter.reasons)
