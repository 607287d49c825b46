"""Read samples in batches: samples -> uint8 [n, 3, S, S], decoded in this process or in worker processes."""
