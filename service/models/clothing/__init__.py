"""Clothing that never was: generate, reconstruct, interpolate."""
