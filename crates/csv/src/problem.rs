//! Errors as data: what kind, where, what happened, its cause, what follows from it, what to try.
//!
//! Each part is given once, where it is known, and never edited. The text is made of the parts where it is shown: see
//! [`Problem::text`]. A message never names a flag of the command or a keyword of Python. It carries a [`Hint`], and
//! each face writes the hint's settings in its own words: `--force`, `force=True`.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::shown;

/// An error: a message with its place, its cause and one thing to try.
///
/// ```
/// use manyhands_csv::{Hint, Problem, ProblemKind};
///
/// let problem = Problem::new("\"x\" is not a number")
///     .of(ProblemKind::Cell)
///     .in_column("price")
///     .in_step(2, "types")
///     .at_line(17)
///     .in_file("a.csv")
///     .hint(Hint::is("on_bad", "null"));
/// assert_eq!(problem.place().line, Some(17));
/// assert_eq!(
///     problem.text(),
///     "a.csv: line 17: step 2 (types): column \"price\": \"x\" is not a number"
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    parts: Box<Parts>,
    /// Advice about it.
    pub hint: Option<Hint>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    kind: ProblemKind,
    /// Not serialized: a worker leaves it out, and the parent knows it.
    #[serde(skip)]
    path: Option<PathBuf>,
    /// Another file, which the message names: one that cannot be written, say.
    #[serde(skip)]
    object: Option<PathBuf>,
    place: Place,
    /// Says what happened. It quotes names and cells as they are. Its own further lines begin with
    /// two spaces, which distinguishes them from line breaks in a name, see
    /// [`shown`](crate::shown).
    message: String,
    cause: Option<Cause>,
    consequences: Vec<String>,
}

/// The kinds of [`Problem`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// Any other; for a request, a combination of settings that cannot be.
    #[default]
    Other,
    /// A file cannot be read.
    Read,
    /// An output cannot be written.
    Write,
    /// A file was changed while it was read.
    Changed,
    /// A file is no text, no CSV, or in another encoding or dialect.
    Format,
    /// A recipe cannot be read, or does not fit the columns of a file.
    Recipe,
    /// A record is malformed or too long.
    Record,
    /// A step cannot read a cell.
    Cell,
    /// More records would be rejected than may be.
    Rejects,
    /// An output exists.
    Exists,
    /// A database refuses rows, or cannot be reached.
    Table,
    /// The reader of the output closed the pipe before the file was done. The file is not at fault.
    Closed,
}

/// The place of an error in a file. All fields are `None` if that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// The line in which the record begins, from 1.
    pub line: Option<u64>,
    /// The offset of the record in the file, in bytes, after any decoding.
    pub byte: Option<u64>,
    /// The field of the record, from 1.
    pub field: Option<usize>,
    /// The text of that line, of a recipe.
    pub quoted: Option<String>,
    /// The number of the step in the recipe, from 1.
    pub step: Option<usize>,
    /// The name of that step.
    pub step_name: Option<String>,
    /// The name of the column.
    pub column: Option<String>,
}

/// The error below a [`Problem`], such as that of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    text: String,
    /// The system's error number.
    os_error: Option<i32>,
}

/// Advice in plain words, in which settings of a job are named as data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    Words(String),
    Setting(Setting),
}

/// A setting of a job that a [`Hint`] names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Name with underscores, as in fields of options: `max_rejects`.
    pub name: String,
    /// The value to give it.
    pub value: SettingValue,
}

/// The value that a [`Setting`] should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingValue {
    /// Turn the setting, a switch, on.
    On,
    /// Any value: the words of the hint say which.
    Any,
    /// This value.
    Is(String),
}

impl Problem {
    /// A problem of any kind, without a place or a hint.
    pub fn new(message: impl Into<String>) -> Problem {
        let parts = Parts { message: message.into(), ..Parts::default() };
        Problem { parts: Box::new(parts), hint: None }
    }

    /// A problem that has nothing to add to what an error says.
    pub fn from_error(error: impl Error + 'static) -> Problem {
        Problem::default().because(error)
    }

    /// A file cannot be read. The caller that knows the file adds it by [`in_file`](Self::in_file).
    pub fn reading(error: impl Error + 'static) -> Problem {
        Problem::new("cannot read it").of(ProblemKind::Read).because(error)
    }

    /// Something cannot be done to a file, which the message names: `cannot write a.csv: no space left`. It is the
    /// [`path`](Self::path) of the problem.
    pub fn with_file(what: &str, path: &Path, error: impl Error + 'static) -> Problem {
        let mut problem = Problem::new(format!("{what} {}", path.display())).because(error);
        problem.parts.object = Some(path.to_owned());
        problem
    }

    /// The same problem, of this kind.
    pub fn of(mut self, kind: ProblemKind) -> Problem {
        self.parts.kind = kind;
        self
    }

    /// The same problem in this file.
    pub fn in_file(mut self, path: impl Into<PathBuf>) -> Problem {
        self.parts.path = Some(path.into());
        self
    }

    /// The same problem in the record that begins in this line, counted from 1.
    pub fn at_line(mut self, line: u64) -> Problem {
        self.parts.place.line = Some(line);
        self
    }

    /// The same problem in the record at this offset of the file.
    pub fn at_byte(mut self, byte: u64) -> Problem {
        self.parts.place.byte = Some(byte);
        self
    }

    /// The same problem in this field of the record, counted from 1.
    pub fn in_field(mut self, field: usize) -> Problem {
        self.parts.place.field = Some(field);
        self
    }

    /// The same problem in a line of a recipe that reads so.
    pub fn quoting(mut self, line: impl Into<String>) -> Problem {
        self.parts.place.quoted = Some(line.into());
        self
    }

    /// The same problem in this step of the recipe, counted from 1.
    pub fn in_step(mut self, number: usize, name: impl Into<String>) -> Problem {
        (self.parts.place.step, self.parts.place.step_name) = (Some(number), Some(name.into()));
        self
    }

    /// The same problem in this column.
    pub fn in_column(mut self, name: impl Into<String>) -> Problem {
        self.parts.place.column = Some(name.into());
        self
    }

    /// The same problem with its cause.
    pub fn because(mut self, error: impl Error + 'static) -> Problem {
        self.parts.cause = Some(Cause::of(&error));
        self
    }

    /// The same problem with its cause, of any type.
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Problem {
        self.parts.cause = Some(Cause::of(error));
        self
    }

    /// The problem that this one is the cause of. It has the kind and the hint of this one.
    pub fn leads_to(self, message: impl Into<String>) -> Problem {
        let os_error = self.parts.cause.as_ref().and_then(Cause::os_error);
        let mut problem = Problem::new(message).of(self.parts.kind);
        problem.parts.cause = Some(Cause { text: self.text(), os_error });
        problem.hint(self.hint)
    }

    /// The same problem with what follows from it. A consequence's hint comes first.
    pub fn followed_by(mut self, consequence: impl Into<Problem>) -> Problem {
        let consequence = consequence.into();
        self.parts.consequences.push(consequence.text());
        self.hint = consequence.hint.or(self.hint);
        self
    }

    /// The same problem with advice.
    pub fn hint(mut self, hint: impl Into<Option<Hint>>) -> Problem {
        self.hint = hint.into();
        self
    }

    /// The same problem with this advice, unless it has some.
    pub fn or_hint<H: Into<Option<Hint>>>(mut self, hint: impl FnOnce() -> H) -> Problem {
        self.hint = self.hint.or_else(|| hint().into());
        self
    }

    /// The kind of the problem.
    pub fn kind(&self) -> ProblemKind {
        self.parts.kind
    }

    /// The file that it is about, if that is known.
    pub fn path(&self) -> Option<&Path> {
        self.parts.object.as_deref().or(self.parts.path.as_deref())
    }

    /// Its place in the file.
    pub fn place(&self) -> &Place {
        &self.parts.place
    }

    /// The error below it, if there is one.
    pub fn cause(&self) -> Option<&Cause> {
        self.parts.cause.as_ref()
    }

    /// All but the hint: `FILE: PLACE: message: cause; consequence`.
    pub fn text(&self) -> String {
        match &self.parts.path {
            Some(path) => {
                format!("{}: {}", shown::line(&path.to_string_lossy()), self.text_in_file())
            }
            None => self.text_in_file(),
        }
    }

    /// As [`text`](Self::text), for readers who know the file.
    pub fn text_in_file(&self) -> String {
        let parts = [self.parts.place.to_string(), self.parts.message.clone()];
        let cause = self.parts.cause.as_ref().map(Cause::to_string);
        let parts = parts.into_iter().chain(cause).filter(|part| !part.is_empty());
        let mut text = parts.collect::<Vec<_>>().join(": ");
        for consequence in &self.parts.consequences {
            let _ = write!(text, "; {consequence}");
        }
        text
    }

    /// The text, and the hint on a line of its own, with settings as `render` writes them.
    pub fn render(&self, render: impl Fn(&Setting) -> String) -> String {
        match &self.hint {
            Some(hint) => format!("{}\nhint: {}", self.text(), hint.render(render)),
            None => self.text(),
        }
    }
}

/// `line 3, field 2: step 1 (types): column "a"`, with the parts that are known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            separator = ": ";
        }
        if let Some(field) = self.field {
            write!(f, "{}field {field}", if self.line.is_some() { ", " } else { "" })?;
            separator = ": ";
        }
        if let Some(quoted) = &self.quoted {
            write!(f, "{separator}`{quoted}`")?;
            separator = ": ";
        }
        if let (Some(step), Some(name)) = (self.step, &self.step_name) {
            write!(f, "{separator}step {step} ({name})")?;
            separator = ": ";
        }
        match &self.column {
            Some(column) => write!(f, "{separator}column {column:?}"),
            None => Ok(()),
        }
    }
}

impl Cause {
    /// The text of an error, with the number of the system's error that it comes from.
    fn of(error: &(dyn Error + 'static)) -> Cause {
        let mut below = Some(error);
        let mut os_error = None;
        while let (Some(error), None) = (below, os_error) {
            os_error = error.downcast_ref().and_then(io::Error::raw_os_error);
            below = error.source();
        }
        Cause { text: error.to_string(), os_error }
    }

    /// The number of the system's error, if it is one.
    pub fn os_error(&self) -> Option<i32> {
        self.os_error
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {}

impl From<String> for Problem {
    fn from(message: String) -> Problem {
        Problem::new(message)
    }
}

impl From<&str> for Problem {
    fn from(message: &str) -> Problem {
        Problem::new(message)
    }
}

/// Settings are named as in Rust: `force`, `delimiter = ;`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(|setting| match &setting.value {
            SettingValue::On | SettingValue::Any => setting.name.clone(),
            SettingValue::Is(value) => format!("{} = {value}", setting.name),
        }))
    }
}

/// The [`cause`](Problem::cause) is part of the text, too.
impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.parts.cause.as_ref().map(|cause| cause as _)
    }
}

impl Hint {
    /// Advice that begins with plain words.
    pub fn words(words: impl Into<String>) -> Hint {
        Hint(vec![Part::Words(words.into())])
    }

    /// Advice to turn on a switch.
    pub fn on(name: &str) -> Hint {
        Hint::default().and_on(name)
    }

    /// Advice to give a setting a value that the following words describe.
    pub fn any(name: &str) -> Hint {
        Hint::default().and_any(name)
    }

    /// Advice to give a setting this value.
    pub fn is(name: &str, value: impl fmt::Display) -> Hint {
        Hint::default().and_is(name, value)
    }

    /// Adds words, with the necessary spaces.
    pub fn and(mut self, words: impl Into<String>) -> Hint {
        self.0.push(Part::Words(words.into()));
        self
    }

    /// Adds a switch.
    pub fn and_on(self, name: &str) -> Hint {
        self.and_setting(name, SettingValue::On)
    }

    /// Adds a setting without its value.
    pub fn and_any(self, name: &str) -> Hint {
        self.and_setting(name, SettingValue::Any)
    }

    /// Adds a setting with its value.
    pub fn and_is(self, name: &str, value: impl fmt::Display) -> Hint {
        self.and_setting(name, SettingValue::Is(value.to_string()))
    }

    fn and_setting(mut self, name: &str, value: SettingValue) -> Hint {
        self.0.push(Part::Setting(Setting { name: name.to_owned(), value }));
        self
    }

    /// The advice as text, with settings as `render` writes them.
    pub fn render(&self, render: impl Fn(&Setting) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Words(words) => words.clone(),
            Part::Setting(setting) => render(setting),
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_renders_settings_and_leaves_quoted_text_alone() {
        let hint = Hint::is("delimiter", ";").and(" divides all lines; or ").and_on("force");
        let problem = Problem::new("cannot read it").in_file("x--force.csv").hint(hint);
        let flag = |setting: &Setting| match &setting.value {
            SettingValue::Is(value) => format!("--{} '{value}'", setting.name),
            _ => format!("--{}", setting.name),
        };
        assert_eq!(
            problem.render(flag),
            "x--force.csv: cannot read it\nhint: --delimiter ';' divides all lines; or --force"
        );
        assert_eq!(Problem::from("gone").to_string(), "gone");
    }

    #[test]
    fn parts_are_given_in_any_order_and_are_there_as_data() {
        let full = io::Error::from_raw_os_error(28);
        let wrong = Problem::with_file("cannot write", Path::new("out.csv"), full)
            .of(ProblemKind::Write)
            .hint(Hint::words("free some room"))
            .followed_by(Problem::new("2 bytes of it are there").hint(Hint::on("force")))
            .in_file("in.csv")
            .at_line(3)
            .in_field(2);
        assert_eq!(
            wrong.to_string(),
            "in.csv: line 3, field 2: cannot write out.csv: No space left on device (os error 28); \
             2 bytes of it are there\nhint: force"
        );
        assert_eq!((wrong.kind(), wrong.path()), (ProblemKind::Write, Some(Path::new("out.csv"))));
        assert_eq!(wrong.cause().and_then(Cause::os_error), Some(28));
        assert!(wrong.source().is_some());
        let above = wrong.leads_to("the job ends");
        assert!(above.text().starts_with("the job ends: in.csv: line 3"), "{above}");
        assert_eq!(above.cause().and_then(Cause::os_error), Some(28));
        assert_eq!(above.kind(), ProblemKind::Write);
    }
}
