"""The command line: argv -> one engine call."""
