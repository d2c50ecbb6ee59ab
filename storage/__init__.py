"""What the house knows: the nouns, their tables and the pure arithmetic over them."""
