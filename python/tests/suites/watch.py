"""Calls a function once a module has been imported, for the sitecustomize.py of a suite."""

import sys
from importlib.machinery import PathFinder


def after_import(wanted, patch):
    """Has `patch()` called after the import of the module `wanted`, and before its importer goes on."""

    class Watch:
        """A finder that finds nothing itself."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != wanted:
                return None
            spec = PathFinder.find_spec(name, path, target)
            if spec is None:
                return None
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                patch()

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, Watch)
