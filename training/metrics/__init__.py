"""Figures of quality as pure functions: arrays in, numbers out."""
