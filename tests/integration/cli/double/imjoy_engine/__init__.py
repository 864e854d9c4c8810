"""DoubleEngine: stands where the engine would, for what a real one will not do on request (hang, crash, lie)."""
