"""The network: downloads, web servers, addresses, and who listens where."""
