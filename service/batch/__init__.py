"""Scoring of many rows at once: files in, a folder of Parquet or one CSV out."""
