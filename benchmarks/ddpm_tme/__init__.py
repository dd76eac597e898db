"""The reproduction of DDPM-TME: ``python -m benchmarks ddpm-tme`` writes ``results/ddpm-tme.md``."""
