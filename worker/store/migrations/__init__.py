"""Alembic's folder: one script a change of the schema, applied in order, never edited later."""
