"""Setup of a training: complete settings, training and validation images, a classifier with its optimiser."""
