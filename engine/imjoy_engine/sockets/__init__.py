"""The engine's end of a WebSocket, for pages, workers and nodes alike."""
