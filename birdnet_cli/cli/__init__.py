"""The command line: arguments -> a call of the engine -> output and exit code."""
