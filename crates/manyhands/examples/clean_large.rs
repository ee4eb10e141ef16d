//! Cleans one large CSV file on all cores: a `value` that is missing or cannot be read becomes 0.0;
//! the order of rows is kept.

#![allow(clippy::print_stdout, reason = "it shows what came of it")]

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;

use manyhands::clean::{Clean, Output, Recipe};

const RECIPE: &str = r#"
on_bad = "null"
missing_column = "null"
steps = [
  { types = { value = "number" } },
  { fill = { column = "value", value = "0.0" } },
]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    manyhands::init();
    let directory = tempfile::tempdir()?;
    let (input, output) =
        (directory.path().join("large.csv"), directory.path().join("cleaned_large.csv"));
    let (mut dirty, mut expected) = ("id,value\n".to_owned(), "id,value\n".to_owned());
    for id in 0..500_000 {
        let value = ["12.50", "", "n/a", "7"][id % 4];
        let clean = value.parse().map_or("0.0", |_: f64| value);
        writeln!(dirty, "{id},{value}")?;
        writeln!(expected, "{id},{clean}")?;
    }
    fs::write(&input, dirty)?;

    let report = Clean::new([&input], Output::File(output.clone()))
        .recipe(Recipe::from_toml(RECIPE)?)
        .run(|_| ControlFlow::Continue(()))?;

    assert_eq!(fs::read_to_string(&output)?, expected);
    let file = &report.files[0];
    println!("{} rows in, {} out, in {:.2} s", file.rows_in, file.rows_out, report.seconds);
    for cells in &file.cells {
        println!("step {} ({}): {} cells {}", cells.step, cells.name, cells.cells, cells.what);
    }
    Ok(())
}
