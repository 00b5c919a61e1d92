"""What computes a batch: runtimes and their threads."""
