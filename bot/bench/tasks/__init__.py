"""`joulery bench tasks`: images, what matters, contact sheets; one module per group of rows."""
