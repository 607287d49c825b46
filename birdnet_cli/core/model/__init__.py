"""The portable model: one file with backbone, pooling, head, classes and preprocessing, and what is computed with it."""
