"""What a model answers and is asked now, beside what it answered in training."""
