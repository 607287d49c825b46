"""What a training begins with: settled settings, divided images, a classifier with its optimiser."""
