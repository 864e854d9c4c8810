"""What the engine keeps in the workspace for pages and plugins: files, logs, the app's documents."""
