"""The first version: feeds, their changes and lines, newest revisions, subscriptions, secrets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates all tables."""
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("feed_id", sa.Text, nullable=False),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.Column("first_number", sa.BigInteger, nullable=False),
        sa.Column("last_tick", sa.BigInteger),
        sa.Column("log_time_ms", sa.BigInteger),
        sa.Column("heartbeat", sa.LargeBinary),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("incidents", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "changes",
        *_of_feed(sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False)),
        sa.Column("tick", sa.BigInteger),
        sa.Column("log_time_ms", sa.BigInteger, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.BigInteger),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("changes_by_incident", "changes", ["feed", "incident_id", "revision"], unique=True)
    op.create_index("changes_by_tick", "changes", ["feed", "tick"])
    op.create_table(
        "lines",
        *_of_feed(sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False)),
        sa.Column("line", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "newest",
        *_of_feed(sa.Column("incident_id", sa.Text, primary_key=True)),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("opened_number", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.Integer, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "subscriptions",
        *_of_feed(sa.Column("name", sa.Text, primary_key=True)),
        sa.Column("acknowledged", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )


def _of_feed(key: sa.Column[Any]) -> tuple[sa.Column[Any], sa.Column[Any]]:
    """The two columns of a key that begins with the feed."""
    feed = sa.Column("feed", sa.Integer, sa.ForeignKey("feeds.id"), primary_key=True, autoincrement=False)
    return feed, key
