"""The processes that speak HTTP. Nothing in here imports TensorFlow."""
