"""What values become that have no form of their own on the wire: the nearest one, or an error that names them.

Nothing is imported here that the plugin has not imported: a value's type is there only when its module is.
"""

import io
import sys
import types
from typing import Any, List, Tuple

LOWEST_INT, HIGHEST_INT = -(1 << 63), (1 << 64) - 1
SHOWN_CHARACTERS = 60
# Kinds of dtypes (numpy.dtype.kind) that travel as they are.
_PLAIN_KINDS = "biufc"
_ITERATORS: Tuple[Any, ...] = (types.GeneratorType, map, zip, filter, enumerate, reversed, type(iter([])))
_VIEWS: Tuple[Any, ...] = (range, type({}.keys()), type({}.values()), type({}.items()))


class NotSendable(TypeError):
    """A value that has no form on the wire; ``places`` lead to it from what was to be sent."""

    def __init__(self, value: Any, advice: str) -> None:
        super().__init__(value, advice)
        self.places: List[str] = []
        self._advice = advice
        try:
            shown = repr(value)
        except Exception:
            shown = "its repr() fails"
        self._shown = shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
        self._kind = type(value).__name__

    def __str__(self) -> str:
        """Return value, type, place and advice."""
        place = " at " + "".join(reversed(self.places)) if self.places else ""
        return "a value of type {} ({}){} cannot be sent: {}".format(
            self._kind, self._shown, place, self._advice
        )


def checked_int(value: int) -> int:
    """Return ``value``; raise NotSendable where the wire has no such number."""
    if LOWEST_INT <= value <= HIGHEST_INT:
        return value
    raise NotSendable(value, "whole numbers have 64 bits; send it as text, or as a float")


def key_of(key: Any) -> Any:
    """Return what a dict's key becomes: text and whole numbers stay, the rest is written as text, as in JSON."""
    if type(key) is str or (type(key) is int and LOWEST_INT <= key <= HIGHEST_INT):
        return key
    return str(key)


def simplified(value: Any) -> Any:
    """Return what stands for ``value``; ``value`` itself where it is sent as imjoy-rpc sends it.

    Raises:
        NotSendable: it has no form, and none that anybody would expect.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return checked_int(int(value))
    for kind in (str, float, bytes):
        if isinstance(value, kind):
            return value
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, complex):
        raise NotSendable(value, "send its real and imaginary part, [z.real, z.imag]")
    if isinstance(value, _VIEWS):
        return list(value)
    if isinstance(value, frozenset):
        return set(value)
    if isinstance(value, _ITERATORS):
        raise NotSendable(value, "it is not made yet; send a list of it, list(...)")
    if isinstance(value, (types.ModuleType, types.CoroutineType, types.AsyncGeneratorType)):
        raise NotSendable(value, "it means nothing outside of its process")
    if isinstance(value, io.BytesIO):
        return {"_rtype": "blob", "_rvalue": value.getvalue(), "_rmime": "application/octet-stream"}
    if isinstance(value, io.StringIO):
        return {"_rtype": "blob", "_rvalue": value.getvalue(), "_rmime": "text/plain"}
    return _of_libraries(value)


def _of_libraries(value: Any) -> Any:
    """Return what stands for a value of a type that the standard library or numpy has in a module."""
    if _is(value, "enum", "Enum"):
        return value.value
    if _is(value, "datetime", "date", "time"):  # a datetime is a date
        return value.isoformat()
    if _is(value, "datetime", "timedelta"):
        return value.total_seconds()
    if _is(value, "pathlib", "PurePath") or _is(value, "uuid", "UUID") or _is(value, "decimal", "Decimal"):
        return str(value)
    if _is(value, "fractions", "Fraction"):
        return float(value)
    if _is(value, "collections", "deque"):
        return list(value)
    if not isinstance(value, dict) and (
        isinstance(value, type(type.__dict__)) or _is(value, "collections", "ChainMap", "UserDict")
    ):
        return dict(value)
    if _is(value, "pandas", "DataFrame"):
        return _records(value)
    if _is(value, "matplotlib.figure", "Figure"):
        return _drawn(value)
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return value
    if isinstance(value, numpy.generic):
        return _scalar(value, numpy)
    if isinstance(value, numpy.ndarray):
        return _array(value, numpy)
    if hasattr(type(value), "__array__") and not callable(value):
        # Tensors, pictures, series: what numpy can take is sent as an array.
        try:
            return _array(numpy.asarray(value), numpy)
        except NotSendable:
            raise
        except Exception as error:
            raise NotSendable(value, "numpy cannot take it ({})".format(error)) from error
    return value


def _records(frame: Any) -> Any:
    """Return the rows of a table, each a record; the index too where it says more than the number of a row."""
    return (frame if _is(frame.index, "pandas", "RangeIndex") else frame.reset_index()).to_dict("records")


def _drawn(figure: Any) -> Any:
    """Return a figure as it looks: a PNG."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return {"_rtype": "blob", "_rvalue": drawn.getvalue(), "_rmime": "image/png"}


def _is(value: Any, module: str, *names: str) -> bool:
    there = sys.modules.get(module)
    return there is not None and isinstance(value, tuple(getattr(there, name) for name in names))


def _scalar(value: Any, numpy: Any) -> Any:
    kind = value.dtype.kind
    if kind in "biu":
        return value.item()
    if kind == "f":
        return float(value)
    if kind == "M":
        return None if numpy.isnat(value) else str(numpy.datetime_as_string(value))
    if kind == "m":
        return _seconds(numpy.asarray(value), numpy).item()
    if kind == "V" and value.dtype.names:
        return {name: value[name] for name in value.dtype.names}
    if kind in "US":
        return value.item()
    raise NotSendable(value, "numbers of this dtype have no form: {}".format(value.dtype))


def _array(array: Any, numpy: Any) -> Any:
    """Return an array in the form in which it travels, its numbers in the order of bytes that all readers expect."""
    kind = array.dtype.kind
    if kind in _PLAIN_KINDS:
        if array.dtype.itemsize > 8 and kind == "f":  # not the same on every machine
            array = array.astype("float64")
        elif array.dtype.itemsize > 16:
            array = array.astype("complex128")
        if not array.dtype.isnative or array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        return {
            "_rtype": "ndarray",
            "_rvalue": array.tobytes(),
            "_rshape": list(array.shape),
            "_rdtype": array.dtype.name,
        }
    if kind in "USO":
        return array.tolist()
    if kind == "M":
        texts = numpy.where(numpy.isnat(array), None, numpy.datetime_as_string(array).astype(object))
        return texts.tolist()
    if kind == "m":
        return _array(_seconds(array, numpy), numpy)
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    raise NotSendable(array, "arrays of this dtype have no form: {}".format(array.dtype))


def _seconds(spans: Any, numpy: Any) -> Any:
    return numpy.where(numpy.isnat(spans), numpy.nan, spans / numpy.timedelta64(1, "s"))
