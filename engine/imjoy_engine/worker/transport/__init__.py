"""The wire between engine and worker: a WebSocket, with TLS or without, and messages in its frames."""
