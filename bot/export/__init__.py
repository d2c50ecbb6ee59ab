"""What leaves the house: votes, samples, joules and LoRA weights as files; and votes that come in."""
