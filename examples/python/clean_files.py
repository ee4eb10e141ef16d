"""Many CSV files in one call. Usage: clean_files.py OUTPUT_DIR FILE...

What `parallel_csv_clean.py` does with pandas, for files of any size. A file that fails is told, and costs no other.
"""

import sys

import manyhands

output_dir, *input_files = sys.argv[1:]
recipe = (
    manyhands.Recipe()
    .drop_empty_rows()
    .normalize_columns()
    .filter("value <= 500 OR NOT has_column('value')")
    .derive("normalized_value", "CASE WHEN has_column('value') THEN value / (max(value) + 1e-9) ELSE 0 END")
)
for file in manyhands.clean(input_files, f"{output_dir}/", recipe).files:
    if file.error is None:
        print(f"cleaned: {file.output} ({file.rows_out} of {file.rows_in} rows)")
    else:
        print("failed:", file, file=sys.stderr)
