"""Alembic's folder: a script for each schema change, applied in order, never edited later."""
