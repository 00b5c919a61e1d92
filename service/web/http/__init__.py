"""HTTP: bytes to requests, answers to bytes, and the laws that both obey."""
