"""The tables of a store, its rows as values, and the seal that shows of each row whether it is as it was written."""

import hashlib
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

from city_brain.digest import TreeHead
from city_brain.incidents.incident import Incident

NEWEST: Final = "0002"
"""Version of the tables below; older databases are migrated, newer ones refused."""
_HASH_BYTES: Final = 32
SEAL_BYTES: Final = 8
"""One damaged row in 2**64 looks whole; lines are under a leaf hash of 32 bytes besides."""

METADATA: Final = MetaData()

FEEDS: Final = Table(
    "feeds",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("feed_id", Text, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("last_tick", BigInteger),
    Column("log_time_ms", BigInteger),
    Column("heartbeat", LargeBinary),
    Column("frontier", LargeBinary, nullable=False),
    Column("incidents", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
"""One row a feed, which a writer locks until it commits: so numbers become visible in order."""

CHANGES: Final = Table(
    "changes",
    METADATA,
    Column("feed", Integer, ForeignKey("feeds.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tick", BigInteger),
    Column("log_time_ms", BigInteger, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("previous", BigInteger),
    Column("leaf", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Index("changes_by_incident", "feed", "incident_id", "revision", unique=True),
    Index("changes_by_tick", "feed", "tick"),
    sqlite_with_rowid=False,
)
"""Every change that ever was, with its leaf hash: they stay when the lines go, so the digest can always be shown."""

LINES: Final = Table(
    "lines",
    METADATA,
    Column("feed", Integer, ForeignKey("feeds.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("line", LargeBinary, nullable=False),
)
"""The canonical lines: of the history, of the newest revisions, and of those that a change in the history followed."""

NEWEST_REVISIONS: Final = Table(
    "newest",
    METADATA,
    Column("feed", Integer, ForeignKey("feeds.id"), primary_key=True, autoincrement=False),
    Column("incident_id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("opened_number", BigInteger, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
"""Of each incident that is open, or was closed within the history, the number of its last change."""

SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    METADATA,
    Column("feed", Integer, ForeignKey("feeds.id"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("acknowledged", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

SECRETS: Final = Table(
    "secrets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

RECORDS: Final = Table(
    "records",
    METADATA,
    Column("room", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
"""Values by name, for what is kept beside feeds."""


def seal(*values: Any) -> bytes:
    """Digest of the values of a row; values of a type that no column has (so damaged) have a digest, too."""
    return hashlib.blake2b(msgspec.msgpack.encode(values), digest_size=SEAL_BYTES).digest()


class State(msgspec.Struct, kw_only=True):
    """The row of a feed: where it stands."""

    name: str
    feed_id: str = ""
    last_number: int = 0
    first_number: int = 1
    last_tick: int | None = None
    log_time_ms: int | None = None
    heartbeat: bytes | None = None
    frontier: bytes = b""
    """The hashes of the complete subtrees, one behind the other."""
    incidents: int = 0
    """Number of rows of newest revisions."""

    def seal(self) -> bytes:
        """The seal of the row."""
        return seal(*msgspec.structs.astuple(self))

    def fits(self) -> bool:
        """Whether there is one hash in the frontier for each complete subtree."""
        return len(self.frontier) == _HASH_BYTES * self.last_number.bit_count()

    def tree(self) -> TreeHead:
        """The Merkle tree of all lines, as far as it is needed to append."""
        subtrees = [self.frontier[at : at + _HASH_BYTES] for at in range(0, len(self.frontier), _HASH_BYTES)]
        return TreeHead(size=self.last_number, subtrees=subtrees)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that is to be taken."""

    tick: int | None
    log_time_ms: int
    incident: Incident
    line: bytes
    leaf: bytes


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A change without its line."""

    number: int
    tick: int | None
    log_time_ms: int
    incident_id: str
    revision: int
    previous: int | None
    """Number of the revision before; None for the first, and where the feed had forgotten the one before."""
    leaf: bytes
