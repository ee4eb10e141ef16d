//! Cleans many CSV files, each in its own worker: drops empty rows, tidies names, keeps values up
//! to 500, and adds each value's share of the file's maximum.
//!
//! `clean_files INPUT... ` reads those inputs; without arguments, the example data of this
//! repository.

#![allow(clippy::print_stdout, reason = "it shows what came of it")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use manyhands::clean::{Clean, Output, Recipe};

const RECIPE: &str = r#"
steps = [
  "drop_empty_rows",
  "normalize_columns",
  { filter = "value <= 500 OR NOT has_column('value')" },
  { derive = { name = "normalized_value", expression = "CASE WHEN has_column('value') THEN value / (max(value) + 1e-9) ELSE 0 END" } },
]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    manyhands::init();
    let mut inputs: Vec<_> = std::env::args_os().skip(1).collect();
    if inputs.is_empty() {
        inputs.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").into());
    }
    let directory = tempfile::tempdir()?;
    let output = Output::Directory(directory.path().to_owned(), "cleaned_{name}".to_owned());
    let report = Clean::new(inputs, output)
        .recipe(Recipe::from_toml(RECIPE)?)
        .run(|_| ControlFlow::Continue(()))?;

    for file in &report.files {
        let name = Path::new(&file.input).file_name().unwrap_or_default().display();
        match &file.error {
            Some(error) => println!("{name}: {error}"),
            None => println!(
                "{name}: {} rows in, {} out, {} rejected",
                file.rows_in,
                file.rows_out,
                file.rows_rejected()
            ),
        }
        let set_aside: u64 = file.set_aside.iter().map(|rows| rows.rows).sum();
        assert!(file.error.is_some() || file.rows_in == file.rows_out + set_aside);
    }
    Ok(())
}
