"""In every Python of a run of joblib's tests: the backend "loky", which is the default one, is ours."""

import sys
from importlib.machinery import PathFinder


def patch():
    from joblib import parallel

    import manyhands

    manyhands.register_joblib()
    parallel.BACKENDS["loky"] = parallel.BACKENDS["manyhands"]


class Watch:
    """A finder that finds nothing itself."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "joblib":
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
