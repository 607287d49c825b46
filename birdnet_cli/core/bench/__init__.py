"""What `fbn bench` measures: ops, heads, extraction and reading, each beside the usual alternative."""
