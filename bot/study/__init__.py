"""`joulery study`: energy saved against labour spent, from simulated, recorded and real votes."""
