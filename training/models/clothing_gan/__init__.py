"""Clothing drawn by a generative adversarial network."""
