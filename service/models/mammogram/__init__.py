"""Mammographic masses: findings to a probability of malignancy."""
