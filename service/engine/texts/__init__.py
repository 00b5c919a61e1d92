"""Texts, written symbol by symbol where the model's state is: in the engine."""
