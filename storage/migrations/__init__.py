"""Numbered steps of the schema, each applied once and recorded by Alembic."""
