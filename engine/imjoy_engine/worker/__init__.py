"""What runs in a plugin's own interpreter: Python 3.6 or newer, imjoy-rpc, msgpack and websockets, nothing of ours.

The engine starts ``worker/__main__.py`` by path, so this folder imports nothing from the rest of ``imjoy_engine``. The
Python client is the other end of the same wire and uses :mod:`.transport` and :mod:`.rpc` too.
"""
