"""The WebSocket protocol that there is: websockets', or our own where an interpreter has none that fits."""

import sys
from typing import Any

FRAME_BYTES = 1 << 20  # with the flag; the most that is taken


def _websockets_fits() -> bool:
    """Whether the engine, which looked, has not said that what is here is missing, too old or too new."""
    return "websockets" not in getattr(sys.modules.get((__package__ or "").partition(".")[0]), "ours", ())


if _websockets_fits():
    from websockets import client as websockets_client
    from websockets.frames import apply_mask  # type: ignore[attr-defined]
    from websockets.uri import parse_uri

    def new_protocol(url: str, subprotocol: str) -> Any:
        """Return the client's side of a WebSocket."""
        if hasattr(websockets_client, "ClientProtocol"):
            return websockets_client.ClientProtocol(
                parse_uri(url),
                subprotocols=[subprotocol],  # type: ignore[list-item]
                max_size=FRAME_BYTES,
            )
        # websockets below 11, the newest for Python 3.6
        return websockets_client.ClientConnection(url, subprotocols=[subprotocol], max_size=FRAME_BYTES)

else:
    from .plain_protocol import PlainProtocol, apply_mask, parse_uri  # type: ignore[assignment]

    def new_protocol(url: str, subprotocol: str) -> Any:
        """Return the client's side of a WebSocket."""
        return PlainProtocol(url, subprotocol, FRAME_BYTES)


__all__ = ["apply_mask", "new_protocol", "parse_uri"]
