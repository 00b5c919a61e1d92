"""Load tests: what Servery does under a load, told as a user would see it."""
