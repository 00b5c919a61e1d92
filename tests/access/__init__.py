"""Who may ask which model."""
