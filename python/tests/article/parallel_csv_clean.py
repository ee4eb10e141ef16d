# parallel_csv_clean.py
import pandas as pd
from manyhands import Pool
from functools import partial
import os


def clean_file(path, output_dir, drop_threshold=1000):
    """
    Read CSV, perform cleaning, save cleaned CSV to output_dir.
    Returns the output path.
    """
    df = pd.read_csv(path)
    # Example cleaning steps:
    df = df.dropna(how="all")  # remove empty rows
    # Normalize column names
    df.columns = [c.strip().lower().replace(" ", "_") for c in df.columns]
    # Drop rows where 'value' column is too large (example)
    if "value" in df.columns:
        df = df[df["value"] <= drop_threshold]
    # Derive new column
    df["normalized_value"] = df["value"] / (df["value"].max() + 1e-9) if "value" in df.columns else 0
    base = os.path.basename(path)
    out_path = os.path.join(output_dir, f"cleaned_{base}")
    df.to_csv(out_path, index=False)
    return out_path


if __name__ == "__main__":
    input_files = ["data/file1.csv", "data/file2.csv", "..."]  # list your files
    output_dir = "cleaned"
    os.makedirs(output_dir, exist_ok=True)

    # Use functools.partial to fix output_dir and threshold per call
    cleaner = partial(clean_file, output_dir=output_dir, drop_threshold=500)

    with Pool(processes=4) as pool:
        results = pool.map(cleaner, input_files, chunksize=2)

    print("Cleaned files:", results)
