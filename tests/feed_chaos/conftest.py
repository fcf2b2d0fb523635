"""A database of its own for a feed under torment."""

import pytest

from tests.store.conftest import postgres
from tests.store.postgres import Postgres

__all__ = ["postgres", "postgres_url"]


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of an empty database on a real server."""
    return postgres.database()
