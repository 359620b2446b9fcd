"""A source -> the pixels that one model takes: formats, decoding, colour, frames, preprocessing."""
