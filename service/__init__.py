"""Servery: versioned SavedModels behind typed HTTP doors, served in full batches."""
