"""Where workers are started: on this machine, or (a seam for later) on a cluster."""
