"""imjoy-rpc's RPC, with what the engine's wire and published plugins need of it.

Differences from the class in imjoy-rpc 0.5.59: numpy is not imported before there is an array; arrays are received
without a copy, and writable; an answer is kept by nobody but who asked; a request for the interface that comes before
``api.export`` is held back (there it makes the export raise).
"""

import asyncio
import inspect
import io
import itertools
import sys
import threading
import traceback
from typing import Any, Callable, Dict, Generator, Optional

from imjoy_rpc.rpc import RPC
from imjoy_rpc.utils import ReferenceStore, dotdict

from ..transport.connection import RpcConnection
from .import_advice import advice
from .resumption import Resumption
from .sendable import NotSendable, checked_int, key_of, simplified
from .without_client import WINDOW_TYPE, window_decoder

_PLAIN = frozenset([str, float, bool, bytes, type(None)])


def _decode_ndarray(value: Dict[str, Any]) -> Any:
    """Return the numpy array that an encoded one stands for, on the memory that it was received into.

    Where numpy or the dtype is not known it stays encoded: an error here would be one that no caller ever hears of.
    """
    try:
        import numpy

        flat = numpy.frombuffer(_writable(value["_rvalue"]), value["_rdtype"])
        return flat.reshape(tuple(value["_rshape"])) if "_rshape" in value else flat
    except (ImportError, TypeError, ValueError):
        return value


def _writable(content: Any) -> Any:
    """Return ``content`` itself, or a copy when it is the small kind that msgpack delivers as ``bytes``."""
    return bytearray(content) if isinstance(content, bytes) else content


def _decode_blob(value: Dict[str, Any]) -> Any:
    content = value["_rvalue"]
    return io.StringIO(content) if isinstance(content, str) else io.BytesIO(bytes(content))


def _codecs() -> Dict[str, Any]:
    decoders = {
        "ndarray": _decode_ndarray,
        "typedarray": _decode_ndarray,
        "blob": _decode_blob,
        WINDOW_TYPE: window_decoder(),
    }
    return {
        name: dotdict(name=name, type=None, encoder=None, decoder=decoder)
        for name, decoder in decoders.items()
    }


class ThreadPromise:
    """What a remote call returns outside the plugin's main thread: the call runs there, wait for it here."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        async def call() -> Any:
            return await function(*args, **kwargs)

        self._future = asyncio.run_coroutine_threadsafe(call(), loop)

    def result(self, timeout: Optional[float] = None) -> Any:
        """Return the result, waiting at most ``timeout`` seconds; raise what the call raised."""
        return self._future.result(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self._future).__await__()

    def then(self, handler: Callable[[Any], Any]) -> "ThreadPromise":
        """Call ``handler`` with the result, when there is one."""
        self._future.add_done_callback(lambda done: None if done.exception() else handler(done.result()))
        return self

    def catch(self, handler: Callable[[BaseException], Any]) -> "ThreadPromise":
        """Call ``handler`` with the error, when there is one."""

        def failed(done: Any) -> None:
            error = done.exception()
            if error is not None:
                handler(error)

        self._future.add_done_callback(failed)
        return self

    def finally_(self, handler: Callable[[], Any]) -> "ThreadPromise":
        """Call ``handler`` when the call has ended either way."""
        self._future.add_done_callback(lambda done: handler())
        return self


class _CallbackStore(ReferenceStore):  # type: ignore[misc]
    """imjoy-rpc's store of callbacks, with numbers for names: they are looked up by this conversation only.

    Whoever calls puts two functions in, ``resolve`` and then ``reject``. When one of them is fetched the call has
    ended, and the other goes too. imjoy-rpc means to do that, but its 0.5.59 notes each one's own name where the
    other's is meant, and looks for it under another attribute: what is left holds the answer as long as the connection
    lasts.
    """

    _numbers = itertools.count(1)

    @staticmethod
    def _gen_id() -> str:
        return str(next(_CallbackStore._numbers))

    def fetch(self, search_id: str) -> Any:
        """Return a callback, or None for one that is not there; each is there once."""
        found = super().fetch(search_id)
        if hasattr(found, "_RPC__promise_pair"):
            self._store.pop(str(int(search_id) + (1 if found.__name__ == "resolve" else -1)), None)
        return found


class PeerRPC(RPC):  # type: ignore[misc]
    """One end of a conversation: the interface that we offer, and the one that the other end offers.

    ``on_remote`` is called with the other end's interface each time it is set, before anybody may use it.
    """

    def __init__(
        self,
        link: RpcConnection,
        rpc_context: Any,
        config: Dict[str, Any],
        on_remote: Optional[Callable[[Any], None]] = None,
    ) -> None:
        self._on_remote = on_remote
        self._interface_wanted = False
        super().__init__(link, rpc_context, config, codecs=_codecs())
        self._store = _CallbackStore()
        self._resumption = Resumption(link)

    @property
    def NUMPY_MODULE(self) -> Any:  # the name that imjoy-rpc uses
        """numpy when the plugin has imported it, else False: what is not imported cannot be sent."""
        return sys.modules.get("numpy") or False

    def wrap(self, args: Any, as_interface: bool = False) -> Any:
        """Encode the arguments of a call; plain ones, which most are, without asking what else they might be."""
        if as_interface:
            return super().wrap(args, as_interface)
        try:
            return [item if type(item) in _PLAIN else self._encode(item) for item in args]
        except RecursionError:
            deep = next(item for item in args if type(item) not in _PLAIN)
            raise NotSendable(deep, "it contains itself, or is nested too deeply") from None

    def _encode(self, a_object: Any, as_interface: Any = False, object_id: Any = None) -> Any:
        """Encode one value: what imjoy-rpc sends as it does, the rest as :mod:`.sendable` says.

        What cannot be sent is an error that says where it is; an attribute of an interface, which nobody has asked for,
        is None then.
        """
        kind = type(a_object)
        if kind in _PLAIN:
            return a_object
        try:
            if kind is int:
                return checked_int(a_object)
            if self._has_encoder(a_object):
                return super()._encode(a_object, as_interface, object_id)
            if not as_interface:
                if isinstance(a_object, (list, tuple)):
                    return [self._encode_item(item, place) for place, item in enumerate(a_object)]
                if isinstance(a_object, dict) and "_rtype" not in a_object and not a_object.get("_rintf"):
                    return {key_of(key): self._encode_item(item, key) for key, item in a_object.items()}
            other = simplified(a_object)
        except NotSendable:
            if isinstance(as_interface, str):
                return None
            raise
        if other is not a_object:
            return self._encode(other)
        return super()._encode(a_object, as_interface, object_id)

    def _encode_item(self, item: Any, place: Any) -> Any:
        if type(item) in _PLAIN:
            return item
        try:
            return self._encode(item)
        except NotSendable as error:
            error.places.append("[{!r}]".format(place))
            raise

    def _has_encoder(self, value: Any) -> bool:
        """Whether the plugin has said itself how a value is sent."""
        return any(codec.encoder and isinstance(value, codec.type) for codec in self._codecs.values())

    def register_codec(self, config: Dict[str, Any]) -> None:
        """Have values of ``config["type"]`` sent by ``config["encoder"]``, those named ``name`` read by ``decoder``."""
        codec = dotdict(
            name=config["name"],
            type=config.get("type"),
            encoder=config.get("encoder"),
            decoder=config.get("decoder"),
        )
        for name, other in list(self._codecs.items()):
            if name == codec.name or (codec.type is not None and other.type == codec.type):
                del self._codecs[name]
        self._codecs[codec.name] = codec

    def unwrap(self, args: Any, with_promise: bool) -> Any:
        """Decode the arguments of a call, as ``wrap`` encodes them."""
        return [
            item if type(item) in _PLAIN or type(item) is int else self._decode(item, with_promise)
            for item in args
        ]

    def check_modules(self) -> None:
        """Do nothing: imjoy-rpc imports numpy here, which costs 90 ms whether or not it is needed."""

    def set_interface(self, api: Any, config: Optional[Dict[str, Any]] = None) -> Any:
        """Offer ``api`` (an object or a dict; names with a leading underscore stay private) to the other end."""
        done = super().set_interface(api, config)
        if self._interface_wanted:
            self._interface_wanted = False
            self.send_interface()
        return done

    def _call_method(
        self,
        method: Callable[..., Any],
        args: Any,
        kwargs: Any,
        resolve: Optional[Callable[[Any], None]] = None,
        reject: Optional[Callable[[Exception], None]] = None,
        method_name: Optional[str] = None,
    ) -> None:
        """Call what the other end asked for. What it raises goes there with the frames of the plugin, not of ours."""
        try:
            result = method(*args, **kwargs)
            if inspect.isawaitable(result):
                asyncio.ensure_future(self._answer_later(result, resolve, reject))
            elif resolve is not None:
                resolve(result)
        except Exception as error:
            self._answer_failure(error, reject)

    async def _answer_later(self, result: Any, resolve: Any, reject: Any) -> None:
        try:
            value = await result
            if resolve is not None:
                resolve(value)
        except Exception as error:
            self._answer_failure(error, reject)

    def _answer_failure(self, error: Exception, reject: Optional[Callable[[Exception], None]]) -> None:
        trace = error.__traceback__
        frames = trace.tb_next if trace is not None else None
        text = "".join(traceback.format_exception(type(error), error, frames)) + advice(error)
        sys.stderr.write(text.rstrip("\n") + "\n")
        self._connection.emit({"type": "error", "message": text})
        if reject is not None:
            reject(Exception(text))

    def _handle_method(self, data: Dict[str, Any]) -> None:
        self._resumption.note_call(data)
        super()._handle_method(data)

    def _handle_callback(self, data: Dict[str, Any]) -> None:
        self._resumption.note_answer(data["id"])
        super()._handle_callback(data)

    def _get_interface_handler(self, data: Dict[str, Any]) -> None:
        if self._local_api is None:
            self._interface_wanted = True
        else:
            self.send_interface()

    def _gen_remote_method(self, target_id: Any, name: str, plugin_id: Any = None) -> Callable[..., Any]:
        return self._from_any_thread(super()._gen_remote_method(target_id, name, plugin_id))

    def _gen_remote_callback(self, target_id: Any, cid: str, with_promise: bool) -> Callable[..., Any]:
        callback = super()._gen_remote_callback(target_id, cid, with_promise)
        return self._from_any_thread(callback) if with_promise else callback

    def _from_any_thread(self, remote: Callable[..., Any]) -> Callable[..., Any]:
        """imjoy-rpc's promises are futures of the current thread's event loop, which other threads do not have."""
        home = threading.get_ident()

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == home:
                return remote(*args, **kwargs)
            return ThreadPromise(self.loop, remote, args, kwargs)

        return call

    def _set_remote_api(self, remote: Any) -> None:
        super()._set_remote_api(remote)
        if self._on_remote is not None:
            self._on_remote(remote)
