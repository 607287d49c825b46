"""Output of the commands: consoles, progress, tables and the formats of results."""
