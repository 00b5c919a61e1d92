"""Who may ask which model, and how much of it."""
