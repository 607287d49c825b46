"""Full-network training: from settings and images to a run directory with models."""
