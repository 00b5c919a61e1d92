"""y = sin x: the smallest model that learns something."""
