"""A month of daily use in minutes: is anything lost, doubled, or said too often?"""
