"""Texts about films to whether they like the film."""
