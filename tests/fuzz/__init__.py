"""What is thrown at the service, generated from its description or from nothing."""
