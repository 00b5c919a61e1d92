"""Offline training: real data in, versioned SavedModels out. Never served from."""
