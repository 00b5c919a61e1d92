"""What is special about each model: one package a model, found by its name."""
