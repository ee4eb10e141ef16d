"""Functions on their way to a worker."""

import pickle

import cloudpickle


def pack(function):
    """What a worker's `Functions` makes the function of, and the memory that goes with it."""
    return cloudpickle.dumps(function, 5), []


class Functions:
    """The functions that a worker knows, by number."""

    def __init__(self):
        self._packed = {}
        self._functions = {}

    def define(self, number, data, memories):
        self._packed[number] = data

    def forget(self, number):
        self._packed.pop(number, None)
        self._functions.pop(number, None)

    def get(self, number):
        if number not in self._functions:
            self._functions[number] = pickle.loads(self._packed[number])
        return self._functions[number]
