"""Data sets and their images: image file -> uint8 [3, H, W], in batches.

`image.py` decodes a file, `transforms.py` makes the tensor, `loading/` reads batches of them.
"""

from birdnet_cli.core.data.augmentation.augment import Augmentation
from birdnet_cli.core.data.augmentation.mix import mix_batch, mix_targets
from birdnet_cli.core.data.check import DataReport, check_dataset, count_images
from birdnet_cli.core.data.convert import ConvertReport, convert_dataset
from birdnet_cli.core.data.dataset import SPLITS, ImageDataset, Sample
from birdnet_cli.core.data.groups import group_images, read_groups
from birdnet_cli.core.data.image import decode_image, read_image_file
from birdnet_cli.core.data.layouts.folder import IMAGE_SUFFIXES
from birdnet_cli.core.data.layouts.registry import list_formats, open_dataset
from birdnet_cli.core.data.loading.evaluation_batches import EvaluationBatches
from birdnet_cli.core.data.loading.labelled_batches import LabelledBatch
from birdnet_cli.core.data.loading.loader import NO_DIGEST, Batch, Failure, load_batches
from birdnet_cli.core.data.loading.order import cut_batches, epoch_order
from birdnet_cli.core.data.loading.sample_files import SampleFiles, read_sample
from birdnet_cli.core.data.loading.training_batches import TrainingBatches
from birdnet_cli.core.data.recordio.dataset import record_samples, split_location
from birdnet_cli.core.data.recordio.reader import RecordReader
from birdnet_cli.core.data.recordio.record import ImageRecord, unpack_image
from birdnet_cli.core.data.recordio.writer import RecordWriter, write_records
from birdnet_cli.core.data.split import assign_splits, write_csv
from birdnet_cli.core.data.transforms import LETTERBOX_COLOUR, Transform

__all__ = [
    "IMAGE_SUFFIXES",
    "LETTERBOX_COLOUR",
    "NO_DIGEST",
    "SPLITS",
    "Augmentation",
    "Batch",
    "ConvertReport",
    "DataReport",
    "EvaluationBatches",
    "Failure",
    "ImageDataset",
    "ImageRecord",
    "LabelledBatch",
    "RecordReader",
    "RecordWriter",
    "Sample",
    "SampleFiles",
    "TrainingBatches",
    "Transform",
    "assign_splits",
    "check_dataset",
    "convert_dataset",
    "count_images",
    "cut_batches",
    "decode_image",
    "epoch_order",
    "group_images",
    "list_formats",
    "load_batches",
    "mix_batch",
    "mix_targets",
    "open_dataset",
    "read_groups",
    "read_image_file",
    "read_sample",
    "record_samples",
    "split_location",
    "unpack_image",
    "write_csv",
    "write_records",
]
