"""Which models there are, where their weights come from, and the store of compiled ones."""
