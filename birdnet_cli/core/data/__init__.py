"""Image file -> uint8 [3, H, W]: data sets, decoding, transforms and the loader that joins them."""

from birdnet_cli.core.data.augment import Augmentation
from birdnet_cli.core.data.check import DataReport, check_dataset, count_images
from birdnet_cli.core.data.convert import ConvertReport, convert_dataset
from birdnet_cli.core.data.dataset import SPLITS, ImageDataset, Sample
from birdnet_cli.core.data.evaluation_batches import EvaluationBatches
from birdnet_cli.core.data.folder import IMAGE_SUFFIXES
from birdnet_cli.core.data.groups import read_groups
from birdnet_cli.core.data.image import decode_image, read_image_file
from birdnet_cli.core.data.loader import NO_DIGEST, Batch, Failure, cut_batches, load_batches
from birdnet_cli.core.data.mix import mix_batch
from birdnet_cli.core.data.order import epoch_order
from birdnet_cli.core.data.record_format import ImageRecord, unpack_image
from birdnet_cli.core.data.record_layout import record_samples, split_location
from birdnet_cli.core.data.record_writer import RecordWriter, write_records
from birdnet_cli.core.data.recordio import RecordReader
from birdnet_cli.core.data.registry import list_formats, open_dataset
from birdnet_cli.core.data.sample_files import SampleFiles, read_sample
from birdnet_cli.core.data.split import assign_splits, write_csv
from birdnet_cli.core.data.training_batches import TrainingBatch, TrainingBatches
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
    "RecordReader",
    "RecordWriter",
    "Sample",
    "SampleFiles",
    "TrainingBatch",
    "TrainingBatches",
    "Transform",
    "assign_splits",
    "check_dataset",
    "convert_dataset",
    "count_images",
    "cut_batches",
    "decode_image",
    "epoch_order",
    "list_formats",
    "load_batches",
    "mix_batch",
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
