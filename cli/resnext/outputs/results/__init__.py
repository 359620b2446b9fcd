"""Files of rows that can be resumed."""
