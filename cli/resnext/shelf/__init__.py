"""A model's name -> a model that is ready."""
