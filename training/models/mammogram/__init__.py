"""Benign or malignant by four findings."""
