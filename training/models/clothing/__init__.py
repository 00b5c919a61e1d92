"""What both clothing generators share; not a model of its own."""
