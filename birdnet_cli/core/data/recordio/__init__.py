"""Read and write MXNet's RecordIO: records, files of records, and data sets made of such files."""
