"""The run that joins sources, images, engines, answers and outputs."""
