"""The benchmark: dirty pools with a known truth, and what each way of training makes of them."""
