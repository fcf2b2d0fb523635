"""What Alembic runs: all steps inside the transaction of the connection that the store hands over.

So a migration that fails leaves the database as it was.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
