"""Networks and routing: topology formats, ECMP, diagnostics."""
