"""Exceptions of tasks arrive with their class, their words and their attributes."""

import subprocess
import threading

import pytest
from manyhands import RemoteError


class Doubled(Exception):
    """Its words are made of what it was given."""

    def __init__(self, code):
        super().__init__(f"failed with {code}")
        self.code = code


class Response:
    status = 503


class OfAResponse(Exception):
    def __init__(self, response):
        super().__init__(f"HTTP {response.status}")
        self.status = response.status


class Keywords(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class OfTheSystem(OSError):
    def __init__(self, number, words):
        super().__init__(number, words)
        self.seen = True


class Locked(Exception):
    def __init__(self, words):
        super().__init__(words)
        self.lock, self.code = threading.Lock(), 7


class Falsy(Exception):
    def __bool__(self):
        return False


def raise_(make):
    raise make()


CASES = {
    "words made of arguments": (lambda: Doubled(5), Doubled, "failed with 5", {"code": 5}),
    "made of an object": (lambda: OfAResponse(Response()), OfAResponse, "HTTP 503", {"status": 503}),
    "made of keywords": (lambda: Keywords(code=3), Keywords, "code 3", {"code": 3}),
    "slots": (lambda: Slotted(4), Slotted, "4", {"code": 4}),
    "of the system": (lambda: OfTheSystem(2, "gone"), OfTheSystem, "[Errno 2] gone", {"errno": 2, "seen": True}),
    "an attribute that stays": (lambda: Locked("has a lock"), Locked, "has a lock", {"code": 7}),
    "false": (lambda: Falsy("still an error"), Falsy, "still an error", {}),
    "of a program": (
        lambda: subprocess.CalledProcessError(1, ["false"]),
        subprocess.CalledProcessError,
        "Command '['false']' returned non-zero exit status 1.",
        {"returncode": 1, "cmd": ["false"]},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_exception_arrives_with_class_words_and_attributes(pool, executor, case):
    make, kind, words, attributes = case
    for call in (lambda: pool.apply(raise_, (make,)), lambda: executor.submit(raise_, make).result()):
        with pytest.raises(kind) as caught:
            call()
        error = caught.value
        assert type(error) is kind and str(error) == words
        assert {name: getattr(error, name) for name in attributes} == attributes
        assert "raise_" in str(error.__cause__)


def test_attributes_that_stayed_in_the_worker_are_noted(pool):
    with pytest.raises(Locked) as caught:
        pool.apply(raise_, (lambda: Locked("has a lock"),))
    assert caught.value.__notes__ == ["(lock of this exception could not be pickled and stayed in the worker)"]
    assert not hasattr(caught.value, "lock")


def test_exceptions_with_unpicklable_arguments_are_still_reported(pool):
    with pytest.raises(RemoteError, match="lock"):
        pool.apply(raise_, (lambda: ValueError("with a lock", threading.Lock()),))
