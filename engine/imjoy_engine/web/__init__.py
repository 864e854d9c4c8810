"""The engine over HTTP and WebSocket: one table of routes, and a handler for each."""
