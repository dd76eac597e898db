"""Forecasting: several services of the nodes of a network at once, from little data."""
