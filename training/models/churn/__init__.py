"""Bank customers: who will leave."""
