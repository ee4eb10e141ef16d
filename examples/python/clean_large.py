"""One large CSV file in one call. Usage: clean_large.py INPUT OUTPUT

What `pipeline.py` does with queues: a `value` that cannot be read, or is missing, becomes 0.0, and the order is kept.
"""

import sys

import manyhands

source, output = sys.argv[1:]
recipe = manyhands.Recipe(on_bad="null", missing_column="null").types({"value": "number"}).fill("value", 0.0)
report = manyhands.clean(source, output, recipe, progress=sys.stderr.isatty()).raise_for_errors()
print(f"{report.rows_out} rows written to {output}")
