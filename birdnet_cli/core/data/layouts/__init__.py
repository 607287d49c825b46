"""Where images and labels are listed: image folders, CUB-200-2011, CSV; an `ImageDataset` comes out."""
