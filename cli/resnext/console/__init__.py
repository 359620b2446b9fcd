"""The terminal: notices, colour, text that is safe to print, signals."""
