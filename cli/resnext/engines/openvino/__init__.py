"""The fast engine: OpenVINO's graphs, cached as they were compiled for this processor."""
