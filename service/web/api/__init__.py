"""What can be asked over HTTP besides a model's own endpoint."""
