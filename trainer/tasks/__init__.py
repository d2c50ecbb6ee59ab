"""What is fine-tuned: each task is one file behind the boundary in `base`."""
