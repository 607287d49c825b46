"""`fbn demo`: painted birds, and the main job on them."""
