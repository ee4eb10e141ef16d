"""One process of a test run: lists what there is to run, or runs tests of one class.

    python -m stdlib_runner --list OUT
    python -m stdlib_runner OUT MODULE CLASS TEST...

What happens is appended to OUT, one JSON object a line, so that it is known even if the process dies.
"""

import sys


def run(out, module, class_name, names):
    import faulthandler
    import importlib
    import json
    import time
    import traceback
    import unittest

    faulthandler.enable()
    case = getattr(importlib.import_module(module), class_name)

    def say(**event):
        out.write(json.dumps(event) + "\n")
        out.flush()

    class Result(unittest.TestResult):
        outcome = text = None

        def startTest(self, test):
            super().startTest(test)
            self.outcome, self.text, self.began = None, "", time.monotonic()
            say(start=test._testMethodName)

        def stopTest(self, test):
            super().stopTest(test)
            seconds = time.monotonic() - self.began
            say(end=test._testMethodName, outcome=self.outcome or "pass", text=self.text, seconds=seconds)

        def worse(self, test, outcome, text):
            if not isinstance(test, unittest.TestCase) and not hasattr(test, "test_case"):
                # It is the fixture of a class or a module, not a test.
                say(fixture=str(test).split()[0], outcome=outcome, text=text)
            elif self.outcome != "fail":
                self.outcome, self.text = outcome, self.text + text

        def failed(self, test, error):
            self.worse(test, "fail", "".join(traceback.format_exception(*error)))

        addError = addFailure = failed

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.failed(test, error)

        def addSkip(self, test, reason):
            self.worse(test, "skip", reason)

        def addUnexpectedSuccess(self, test):
            self.worse(test, "fail", "passed, though it is marked as an expected failure")

    unittest.TestSuite(map(case, names)).run(Result())
    from test import support

    say(done=True, altered=support.environment_altered)


def main():
    if sys.argv[1] == "--list":
        import json

        import stdlib_selection

        with open(sys.argv[2], "w") as out:
            json.dump(stdlib_selection.select(), out)
    else:
        path, module, class_name, *names = sys.argv[1:]
        with open(path, "a") as out:
            # Spawned children run this file again; they are not to see these.
            del sys.argv[1:]
            run(out, module, class_name, names)


if __name__ == "__main__":
    main()
