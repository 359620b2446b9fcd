"""Done once a model, with timm and torch: build, convert, read checkpoints safely."""
