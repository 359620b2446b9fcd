"""Own classes: photos with labels -> a model that knows them. torch is needed by `full/` alone."""
