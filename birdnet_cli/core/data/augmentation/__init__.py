"""Augment training images: crops, flips, colour, mixup and CutMix; every draw is a function of its key."""
