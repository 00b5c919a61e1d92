"""The textbook's VAE, a yardstick that is not shipped."""
