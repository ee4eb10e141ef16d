//! `manyhands completions`: scripts for shells, from the definition of the command.

use manyhands::clean::CleanError;

use crate::args::CompletionsArguments;
use crate::{definition, ui};

pub(crate) fn completions(typed: CompletionsArguments) -> Result<i32, CleanError> {
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut definition(), "manyhands", &mut script);
    // It is made of the definition's text alone.
    ui::print(&String::from_utf8_lossy(&script)).map(|()| 0)
}
