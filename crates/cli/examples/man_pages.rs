//! Writes the manual's pages, one for each command, into the directory that is named; see scripts/generate-docs.

use std::path::PathBuf;
use std::{fs, io};

use clap_mangen::Man;

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("usage: man_pages DIRECTORY"))?;
    let mut command = manyhands_cli::definition().disable_help_subcommand(true);
    command.build();
    let source = format!("manyhands {}", command.get_version().unwrap_or_default());
    let pages = command.get_subcommands().cloned().collect::<Vec<_>>();
    for page in [command].into_iter().chain(pages) {
        let page = Man::new(page).source(&source);
        let mut text = Vec::new();
        page.render(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let lines: String = text.lines().map(|line| heading(line) + "\n").collect();
        fs::write(directory.join(page.get_filename()), lines)?;
    }
    Ok(())
}

/// Corrects a heading: quotes within it would end it early, and clap's EXTRA becomes NOTES.
fn heading(line: &str) -> String {
    let quoted = line.strip_prefix(".SH \"").and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(text) => format!(".SH \"{}\"", text.replace('"', "\\(dq")),
        None => line.replace(".SH EXTRA", ".SH NOTES"),
    }
}
