"""Image file -> uint8 [3, H, W]: data sets, decoding, transforms and the loader that joins them."""

from birdnet_cli.core.data.check import DataReport, check_dataset, count_images
from birdnet_cli.core.data.dataset import SPLITS, ImageDataset, Sample
from birdnet_cli.core.data.folder import IMAGE_SUFFIXES
from birdnet_cli.core.data.groups import read_groups
from birdnet_cli.core.data.image import decode_image, read_image_file
from birdnet_cli.core.data.loader import NO_DIGEST, Batch, Failure, load_batches
from birdnet_cli.core.data.registry import list_formats, open_dataset
from birdnet_cli.core.data.split import assign_splits, write_csv
from birdnet_cli.core.data.transforms import LETTERBOX_COLOUR, Transform

__all__ = [
    "IMAGE_SUFFIXES",
    "LETTERBOX_COLOUR",
    "NO_DIGEST",
    "SPLITS",
    "Batch",
    "DataReport",
    "Failure",
    "ImageDataset",
    "Sample",
    "Transform",
    "assign_splits",
    "check_dataset",
    "count_images",
    "decode_image",
    "list_formats",
    "load_batches",
    "open_dataset",
    "read_groups",
    "read_image_file",
    "write_csv",
]
