"""Images -> descriptors -> feature cache, and cached rows back to heads."""
