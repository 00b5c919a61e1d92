"""The classifier that judges drawn clothing."""
