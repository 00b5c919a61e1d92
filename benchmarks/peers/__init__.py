"""Other servers of the same models, each in an environment of its own."""
