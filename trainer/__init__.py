"""How the model learns: a segment of training is a function of a plan on disk."""
