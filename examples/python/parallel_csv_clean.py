"""Many CSV files cleaned with pandas, one task a file. Usage: parallel_csv_clean.py OUTPUT_DIR FILE...

`clean_files.py` does the same without pandas.
"""

import os
import sys
from functools import partial

import pandas as pd
from manyhands import Pool


def clean_file(path, output_dir, drop_threshold=1000):
    df = pd.read_csv(path).dropna(how="all")
    df.columns = [c.strip().lower().replace(" ", "_") for c in df.columns]
    if "value" in df.columns:
        df = df[df["value"] <= drop_threshold].copy()
        df["normalized_value"] = df["value"] / (df["value"].max() + 1e-9)
    else:
        df["normalized_value"] = 0
    out_path = os.path.join(output_dir, f"cleaned_{os.path.basename(path)}")
    df.to_csv(out_path, index=False)
    return out_path


if __name__ == "__main__":
    output_dir, *input_files = sys.argv[1:]
    os.makedirs(output_dir, exist_ok=True)
    cleaner = partial(clean_file, output_dir=output_dir, drop_threshold=500)

    # A file that hangs or kills its worker is told, and costs no other file.
    with Pool(deadline=60) as pool:
        results = pool.imap(cleaner, input_files)
        for path in input_files:
            try:
                print("cleaned:", next(results))
            except Exception as error:
                print("failed:", path, error, file=sys.stderr)
