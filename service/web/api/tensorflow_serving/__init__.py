"""TensorFlow Serving's REST: predict, classify, regress, status, metadata."""
