"""Nuclei of cells in pictures of a microscope: which pixels, and how many."""
