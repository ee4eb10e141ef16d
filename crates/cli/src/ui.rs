//! Prints data on standard output and everything else on standard error. A closed pipe is not an error, and
//! failures to write to standard error are ignored.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use manyhands::clean::{CleanError, Problem, shown, write_device};

use crate::interrupt;
use crate::streams;

/// The assumed width of anything but a terminal.
const WIDTH: usize = 80;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";

/// Writes text to standard output.
///
/// # Errors
/// `Failed` if it cannot be written, for example on a full disk.
pub(crate) fn print(text: &str) -> Result<(), CleanError> {
    streams::check_output()?;
    printed(write_device(io::stdout(), text.as_bytes(), interrupt::go_on))
}

/// The outcome of writing to standard output.
///
/// # Errors
/// Like [`print`]; `Interrupted` if that ended it.
pub(crate) fn printed(written: io::Result<()>) -> Result<(), CleanError> {
    match written.map_err(|error| (error.kind(), error)) {
        Ok(()) | Err((ErrorKind::BrokenPipe, _)) => Ok(()),
        Err((ErrorKind::Interrupted, _)) => Err(CleanError::Interrupted),
        Err((_, error)) => {
            Err(CleanError::Failed(Problem::new("cannot write to standard output").because(error)))
        }
    }
}

/// True if a signal arrived while nobody read standard error. From then on nothing is printed there.
static IS_CUT_OFF: AtomicBool = AtomicBool::new(false);

/// Writes a line to standard error.
pub(crate) fn say(line: impl Display) {
    if is_cut_off() {
        return;
    }
    let written = write_device(io::stderr(), format!("{line}\n").as_bytes(), interrupt::go_on);
    if written.is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
        IS_CUT_OFF.store(true, Ordering::SeqCst);
    }
}

/// Returns whether a signal ended the output to standard error.
pub(crate) fn is_cut_off() -> bool {
    IS_CUT_OFF.load(Ordering::SeqCst)
}

/// Prints an error. Further lines of the message begin with two spaces or with `hint:`.
pub(crate) fn error(message: impl Display) {
    labelled("error", RED, message);
}

/// Prints a warning.
pub(crate) fn warning(message: impl Display) {
    labelled("warning", YELLOW, message);
}

/// Like [`error`], for clap's messages, whose further lines begin differently.
pub(crate) fn error_of_clap(message: &str) {
    const OWN: [&str; 3] = ["  ", "Usage: ", "For more information"];
    let is_own = |line: &str| line.is_empty() || OWN.iter().any(|own| line.starts_with(own));
    let mut text = String::new();
    for (number, line) in message.split('\n').enumerate() {
        if number > 0 {
            text += if is_own(line) { "\n" } else { "\\n" };
        }
        text += &shown::line(line);
    }
    write_labelled("error", RED, &text);
}

fn labelled(label: &str, colour: &str, message: impl Display) {
    write_labelled(label, colour, &shown::lines(&message.to_string()));
}

fn write_labelled(label: &str, colour: &str, message: &str) {
    if has_colour() {
        say(format_args!("{colour}{label}:\x1b[0m {message}"));
    } else {
        say(format_args!("{label}: {message}"));
    }
}

fn has_colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stderr().is_terminal() && !set("NO_COLOR") && !is_dumb
}

/// Width of a terminal in columns.
pub(crate) fn width(stream: impl AsFd) -> usize {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => WIDTH,
    }
}

/// Text in lines of at most 80 columns, all but the first indented. The first line is assumed to begin at
/// that indentation.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = indent;
    for (place, word) in text.split_whitespace().enumerate() {
        let width = word.chars().count();
        if place > 0 && column + 1 + width > WIDTH {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if place > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// A number with commas: 17,800,000.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun, in the plural unless the number is 1.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two", 78), "one\n".to_owned() + &" ".repeat(78) + "two");
        assert_eq!(wrapped("one two", 73), "one two");
        assert_eq!(wrapped("one two", 74), "one\n".to_owned() + &" ".repeat(74) + "two");
        assert_eq!(wrapped("", 4), "");
    }

    #[test]
    fn numbers_have_commas() {
        let numbers = [(0, "0"), (999, "999"), (1000, "1,000"), (17_800_000, "17,800,000")];
        for (number, text) in numbers {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(0, "file"), "0 files");
    }
}
