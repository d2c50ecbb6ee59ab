"""Where samples come from: files, the hub, and text that every machine has. Torch-free."""
