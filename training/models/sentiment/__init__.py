"""Film reviews, liked or not."""
