//! The scope: names of the columns at a step, and names for header cells that cannot be names.

use std::collections::{HashMap, HashSet};

use crate::choices::Type;
use crate::expr::{Ambiguous, Names};
use crate::problem::{Hint, Problem};

use crate::report::Note;

/// A column of the output that goes by another name than its header cell.
#[derive(Debug)]
pub(crate) struct UnnamedTitle {
    /// Position in the file, from 1.
    pub(crate) column: usize,
    pub(crate) title: String,
    pub(crate) is_text: bool,
    pub(crate) name: String,
}

impl UnnamedTitle {
    pub(crate) fn renamed(&self) -> Renamed {
        Renamed { column: self.column, was: self.title.clone(), name: self.name.clone() }
    }

    /// Why the header cell cannot be a name.
    pub(crate) fn not_text(&self) -> Problem {
        not_text(self.column, &self.title)
    }
}

/// Why a header cell that is not UTF-8 cannot be used as a name.
fn not_text(column: usize, title: &str) -> Problem {
    Problem::new(format!("the name of column {column}, \"{title}\", is not UTF-8"))
        .hint(encoding_hint())
}

pub(crate) fn encoding_hint() -> Hint {
    Hint::is("encoding", "windows-1252").and(" reads files in Western European encodings")
}

/// A column while the steps are resolved.
#[derive(Clone)]
pub(crate) struct Column {
    /// Current name.
    pub(crate) name: String,
    pub(crate) number: usize,
    pub(crate) declared: Option<Type>,
    /// True if its header cell is written unchanged.
    pub(crate) keeps_title: bool,
}

/// The columns at a step.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<Column>,
    /// Names in the file, by column number; bytes that are not UTF-8 are written `\xF6`.
    pub(crate) own: Vec<String>,
}

impl Scope {
    /// Position of a column: by its current name, else by its name in the file, else by its
    /// normalised name.
    ///
    /// # Errors
    /// The candidates, if several columns match the name equally well.
    pub(crate) fn place(&self, name: &str) -> Result<Option<usize>, Ambiguous> {
        let normal = normalize(name);
        let is_own = |column: &Column| self.own.get(column.number).is_some_and(|own| own == name);
        let ways: [&dyn Fn(&Column) -> bool; 3] =
            [&|column| column.name == name, &is_own, &|column| normalize(&column.name) == normal];
        for matches in ways {
            let mut places = (0..self.columns.len()).filter(|at| matches(&self.columns[*at]));
            let Some(first) = places.next() else { continue };
            return match places.next() {
                None => Ok(Some(first)),
                Some(second) => {
                    let places = [first, second].into_iter().chain(places);
                    let names = places.map(|place| self.columns[place].name.clone());
                    Err(Ambiguous { names: names.collect() })
                }
            };
        }
        Ok(None)
    }
}

impl Names for Scope {
    fn find(&self, name: &str) -> Result<Option<usize>, Ambiguous> {
        Ok(self.place(name)?.map(|place| self.columns[place].number))
    }

    fn declared(&self, column: usize) -> Option<Type> {
        self.columns.iter().find(|known| known.number == column)?.declared
    }

    fn all(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// Normalises a name: trimmed, in lower case, with an underscore for each white space. At the ends,
/// zero-width characters count as white space, since no one can see or type them.
pub(crate) fn normalize(name: &str) -> String {
    let is_space = |c: char| {
        c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
    };
    let lower = name.trim_matches(is_space).to_lowercase().replace("\r\n", "\n");
    lower.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect()
}

/// A column whose name [`make_unique`] changed.
pub(crate) struct Renamed {
    /// Position of the column, from 1.
    pub(crate) column: usize,
    /// The name that another column had before; empty if the column had no name.
    pub(crate) was: String,
    pub(crate) name: String,
}

/// Makes column names unique: appends `_2`, `_3`, … to repeats, and names blank ones `column_N`.
pub(crate) fn make_unique(names: &mut [String]) -> Vec<Renamed> {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    // The next number for each name, so that many equal names do not take quadratic time.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut renamed = Vec::new();
    for (at, name) in names.iter_mut().enumerate() {
        let base = if name.is_empty() { format!("column_{}", at + 1) } else { name.clone() };
        let mut unique = base.clone();
        while seen.contains(&unique) || unique != *name && all.contains(&unique) {
            let number = numbers.entry(base.clone()).or_insert(2);
            unique = format!("{base}_{number}");
            *number += 1;
        }
        if unique != *name {
            let was = std::mem::replace(name, unique.clone());
            renamed.push(Renamed { column: at + 1, was, name: unique.clone() });
        }
        seen.insert(unique);
    }
    renamed
}

/// Maximum number of examples in a note about many columns.
const EXAMPLES: usize = 3;

/// Notes about renamed columns: at most two, however many there are.
pub(crate) fn notes_of(renamed: &[Renamed]) -> impl Iterator<Item = Note> {
    let (unnamed, repeated): (Vec<_>, Vec<_>) = renamed.iter().partition(|one| one.was.is_empty());
    let of = |what: &str, group: &[&Renamed]| match group {
        [] => None,
        [Renamed { column, was, name }] if was.is_empty() => {
            Some(format!("column {column} had no name; it is {name:?} now"))
        }
        [Renamed { column, was, name }] => {
            Some(format!("column {column} had the name {was:?} again; it is {name:?} now"))
        }
        group => {
            let example = |one: &&Renamed| format!("column {} is {:?}", one.column, one.name);
            let examples: Vec<String> = group.iter().take(EXAMPLES).map(example).collect();
            let more = if group.len() > EXAMPLES { ", and so on" } else { "" };
            Some(format!("{} columns had {what}; now {}{more}", group.len(), examples.join(", ")))
        }
    };
    let notes = [of("no name", &unnamed), of("the name of another", &repeated)];
    notes.into_iter().flatten().map(Note::from)
}
