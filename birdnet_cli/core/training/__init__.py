"""Training of whole networks: settings and images -> a run directory with models."""
