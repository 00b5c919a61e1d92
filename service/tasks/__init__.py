"""Typed endpoints, made of what models declare of their tasks."""
