"""Servery: versioned SavedModels served in full batches over typed HTTP endpoints."""
