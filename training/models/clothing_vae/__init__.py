"""Clothing drawn by a variational auto-encoder."""
