"""What joules come to: forecasts, budgets, savings, CO2e, money, and the day's summary."""
