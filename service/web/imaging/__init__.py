"""Image files to pixels, and pixels to image files."""
