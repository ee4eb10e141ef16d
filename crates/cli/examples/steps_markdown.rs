//! Prints the table of steps in docs/recipe.md, from the table that reads and does them; see scripts/generate-docs.

use std::io::{self, Write};

use manyhands::clean::recipe::steps;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "| step | flag | what it does | what is counted |\n|---|---|---|---|")?;
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    for step in steps() {
        for used in step.about.uses {
            let written: Vec<String> = used.written.iter().map(|text| code(text)).collect();
            let flag = format!("--{} {}", step.name.replace('_', "-"), used.typed);
            let (written, flag) = (written.join(", "), code(flag.trim_end()));
            let row = format!("| {written} | {flag} | {} | {}", used.does, used.counted);
            writeln!(out, "{} |", row.trim_end())?;
        }
    }
    Ok(())
}
