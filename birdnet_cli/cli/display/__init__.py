"""What people see: console, progress, tables and the formats of results."""
