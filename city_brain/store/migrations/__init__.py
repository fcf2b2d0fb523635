"""How a database comes from one version to the next; Alembic walks the way when a store is opened."""
