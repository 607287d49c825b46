"""MXNet's RecordIO: records, their reader and writer, and data sets made of them."""
