"""Read the bytes of samples' images, from image files or from the records of a `.rec` file."""

from contextlib import ExitStack
from pathlib import Path

from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.image import check_file_size, read_image_file
from birdnet_cli.core.data.recordio.record import parse_record, unpack_image
from birdnet_cli.core.data.regular_file import open_regular, read_span

__all__ = ["SampleFiles", "read_sample"]


class SampleFiles(ExitStack):
    """Reads samples; a `.rec` file stays open until the `with` block ends."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[Path, int] = {}

    def read(self, sample: Sample) -> bytes:
        """Return the bytes of a sample's image.

        Raises:
            ImageError: as `read_image_file`; or the record is damaged, and the reason names the byte.
        """
        record = sample.record
        if record is None:
            return read_image_file(sample.path, size=sample.size, mtime_ns=sample.mtime_ns)
        if sample.path not in self._open:
            opened = open_regular(sample.path, size=sample.size, mtime_ns=sample.mtime_ns)
            self._open[sample.path], _ = self.enter_context(opened)
        start, path = record.start, str(sample.path)
        framed = read_span(self._open[sample.path], start, record.end - start)
        data, _ = parse_record(
            lambda place, count: framed[place - start : place - start + count], start=start, end=record.end, path=path
        )
        image = unpack_image(data, start=start, path=path).image
        check_file_size(path, len(image))
        return image


def read_sample(sample: Sample) -> bytes:
    """Return the bytes of a sample's image; see `SampleFiles.read`."""
    with SampleFiles() as files:
        return files.read(sample)
