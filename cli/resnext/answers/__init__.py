"""Arrays -> records: predictions and the user's own class names."""
