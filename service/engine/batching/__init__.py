"""Rows that wait, and the batches that are made of them."""
