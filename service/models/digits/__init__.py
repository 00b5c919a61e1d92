"""Handwritten digits: find the ink, bring it to MNIST's form, name it."""
