"""Files of vectors and maps: .npy, .npz, Parquet, each with an index."""
