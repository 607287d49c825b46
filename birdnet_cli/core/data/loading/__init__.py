"""Samples -> batches of uint8 images, read and decoded in this process or in others."""
