"""The training loop: updates, schedule, validations, measurements."""
