"""Votes of 1984 to the party of who cast them."""
