"""Training images, changed at random: crops, flips, colour, mixup and CutMix; each draw is a function of its key."""
