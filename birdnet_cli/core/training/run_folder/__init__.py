"""What a training leaves on disk: metrics, log, checkpoints, model files."""
