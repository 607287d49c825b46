"""The training loop: updates, validations, schedule, and what guards them."""
