"""`joulery bench learning`: what votes are worth, against every way of doing without."""
