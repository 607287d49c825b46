"""The portable model: one file with backbone, pooling, head, classes and preprocessing."""
