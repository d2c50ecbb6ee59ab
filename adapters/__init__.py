"""Chat platforms: payloads in, plain events out; cards in, messages out. Knows nobody."""
