"""What every training run shares: options, fitting, validation, export."""
