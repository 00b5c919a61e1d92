"""What a model is: its signatures, its manifest, its files' hashes."""
