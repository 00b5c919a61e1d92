"""Photographs to ImageNet's classes."""
