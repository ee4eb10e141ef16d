//! `manyhands functions`: lists what expressions can call, from the table that evaluates them.

use manyhands::clean::{CleanError, FunctionInfo, Hint, Problem, functions as all, suggest};

use crate::args::FunctionsArguments;
use crate::ui;

/// Widest signature that has its summary beside it.
const SIGNATURE: usize = 28;

pub(crate) fn functions(typed: FunctionsArguments) -> Result<i32, CleanError> {
    let all = all();
    let text = match &typed.name {
        None => listed(&all),
        Some(name) => explained(find(&all, name)?),
    };
    ui::print(&text).map(|()| 0)
}

fn find<'a>(all: &'a [FunctionInfo], name: &str) -> Result<&'a FunctionInfo, CleanError> {
    let name = name.trim_end_matches("()");
    let mut names = all.iter().flat_map(|function| {
        std::iter::once(function.name)
            .chain(function.aliases.iter().copied())
            .map(move |name| (name, function))
    });
    if let Some((_, function)) = names.clone().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(function);
    }
    let hint = match suggest(name, names.by_ref().map(|(known, _)| known)) {
        Some(known) => format!("did you mean {known}? 'manyhands functions' lists all"),
        None => "'manyhands functions' lists all".to_owned(),
    };
    Err(CleanError::Usage(
        Problem::new(format!("there is no function {name:?}")).hint(Hint::words(hint)),
    ))
}

/// All functions by group, a line each.
fn listed(all: &[FunctionInfo]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for function in all {
        if !groups.contains(&function.group) {
            groups.push(function.group);
        }
    }
    let mut text = String::new();
    for group in groups {
        text += &format!("{group}:\n");
        for function in all.iter().filter(|function| function.group == group) {
            let signature = function.signature;
            text += &format!("  {signature:SIGNATURE$}");
            if signature.chars().count() > SIGNATURE {
                text += &format!("\n{:1$}", "", SIGNATURE + 2);
            }
            text += &format!("  {}\n", ui::wrapped(function.summary, SIGNATURE + 4));
        }
        text += "\n";
    }
    text + "'manyhands functions NAME' explains one, with examples.\n"
}

fn explained(function: &FunctionInfo) -> String {
    let mut text = format!("{}\n  {}\n", function.signature, ui::wrapped(function.summary, 2));
    if !function.aliases.is_empty() {
        text += &format!("  also: {}\n", function.aliases.join(", "));
    }
    if !function.examples.is_empty() {
        // The documentation of aggregates says what they are over.
        let over = if function.group == "aggregate" { ", value is 1, 2, 3 and 6" } else { "" };
        text += &format!("\nexamples{over}:\n");
        let widths = function.examples.iter().map(|(call, _)| call.chars().count());
        let width = widths.max().unwrap_or(0);
        for (call, result) in function.examples {
            text += &format!("  {call:width$}  {result}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<FunctionInfo> {
        vec![
            FunctionInfo {
                name: "round",
                aliases: &[],
                group: "numbers",
                signature: "round(x, digits)",
                summary: "The nearest number with so many digits.",
                examples: &[("round(2.345, 1)", "2.3"), ("round(7)", "7")],
            },
            FunctionInfo {
                name: "length",
                aliases: &["char_length"],
                group: "text",
                signature: "length(text)",
                summary: "How many characters.",
                examples: &[],
            },
        ]
    }

    #[test]
    fn all_are_listed_by_group() {
        assert_eq!(
            listed(&some()),
            "numbers:\n  round(x, digits)              The nearest number with so many digits.\n\n\
             text:\n  length(text)                  How many characters.\n\n\
             'manyhands functions NAME' explains one, with examples.\n"
        );
    }

    #[test]
    fn a_function_is_explained_under_any_of_its_names() {
        let all = some();
        let text = explained(find(&all, "ROUND").unwrap());
        assert_eq!(
            text,
            "round(x, digits)\n  The nearest number with so many digits.\n\nexamples:\n  \
             round(2.345, 1)  2.3\n  round(7)         7\n"
        );
        let text = explained(find(&all, "char_length()").unwrap());
        assert_eq!(text, "length(text)\n  How many characters.\n  also: char_length\n");
    }

    #[test]
    fn a_misspelt_one_gets_a_suggestion() {
        let all = some();
        let text = |name| find(&all, name).err().unwrap().to_string();
        assert_eq!(
            text("lenght"),
            "there is no function \"lenght\"\nhint: did you mean length? 'manyhands functions' lists all"
        );
        assert!(text("zzz").ends_with("\nhint: 'manyhands functions' lists all"));
    }
}
