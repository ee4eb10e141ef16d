"""Pickling: what travels to a worker and back."""

import pickle
import traceback

import cloudpickle


def dumps(obj):
    """The bytes of an object, and the memory that they refer to."""
    return cloudpickle.dumps(obj, 5), []


def loads(data, memories):
    """The object that `dumps` made these of."""
    return pickle.loads(data)


def dump_exception(error):
    """The bytes of an exception and of its traceback as text."""
    text = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps((error, text), 5)
        pickle.loads(data)
        return data
    except Exception as problem:
        from manyhands._errors import RemoteError

        return pickle.dumps((RemoteError(f"{error!r} cannot be pickled: {problem!r}"), text), 5)


def load_exception(data):
    """The exception, and its traceback as text."""
    return pickle.loads(data)
