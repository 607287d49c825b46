"""Open data sets by their layout: image folder, CUB-200-2011 or CSV -> `ImageDataset`."""
