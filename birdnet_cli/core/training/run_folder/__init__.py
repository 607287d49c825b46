"""The run directory of a training: metrics, log, checkpoints, model files."""
