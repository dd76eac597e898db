"""Sim-MSTNet and its rivals on real data, from one day of it to all."""
