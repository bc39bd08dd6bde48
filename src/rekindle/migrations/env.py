"""Alembic's entry: runs the revisions on the connection it is given, all in one transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
