"""In every Python of a run of joblib's tests: the backend "loky", which is the default one, is ours."""

from watch import after_import


def patch():
    from joblib import parallel

    import manyhands

    manyhands.register_joblib()
    parallel.BACKENDS["loky"] = parallel.BACKENDS["manyhands"]


after_import("joblib", patch)
