"""The shared core: the stages of the pipeline and the engine that joins them."""
