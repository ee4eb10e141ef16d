//! Prints docs/functions.md, from the table that evaluates the functions; see scripts/generate-docs.

use std::io::{self, Write};

use manyhands::clean::functions;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "# Functions of expressions\n")?;
    writeln!(
        out,
        "Made by `scripts/generate-docs` from the table that evaluates them; `manyhands functions NAME` says the same."
    )?;
    writeln!(
        out,
        "Every example is a test. Those of aggregates are over a column `value` that holds 1, 2, 3 and 6."
    )?;
    let mut group = "";
    for function in functions() {
        if function.group != group {
            group = function.group;
            writeln!(
                out,
                "\n## {group}\n\n| function | what it gives | examples |\n|---|---|---|"
            )?;
        }
        let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
        let examples = function.examples.iter().map(|(expression, result)| {
            let result = if result.is_empty() { "nothing".to_owned() } else { code(result) };
            format!("{} is {result}", code(expression))
        });
        let mut summary = function.summary.replace('|', "\\|");
        if !function.aliases.is_empty() {
            let aliases: Vec<String> = function.aliases.iter().map(|alias| code(alias)).collect();
            summary += &format!(" Also {}.", aliases.join(", "));
        }
        let examples = examples.collect::<Vec<_>>().join("<br>");
        writeln!(out, "| {} | {summary} | {examples} |", code(function.signature))?;
    }
    Ok(())
}
