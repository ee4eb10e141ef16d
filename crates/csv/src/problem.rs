//! Messages as data: what is wrong, and what to try next.
//!
//! A message never names a flag of the command or a keyword of Python. It carries a [`Hint`], and
//! each face renders the hint's settings in its own words: `--force`, `force=True`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, and a hint if there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What happened and where. Names and cells are quoted unchanged. Continuation lines of the
    /// message itself begin with two spaces, which distinguishes them from line breaks in a name,
    /// see [`shown`](crate::shown).
    pub message: String,
    /// What to do about it.
    pub hint: Option<Hint>,
}

/// Advice in plain words that names settings of a job as data.
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
    /// A problem without a hint.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), hint: None }
    }

    /// The same problem with advice.
    pub fn hint(mut self, hint: Hint) -> Problem {
        self.hint = Some(hint);
        self
    }

    /// The same problem with `place` before its message, as in `a.csv: cannot read it`.
    pub fn at(mut self, place: impl fmt::Display) -> Problem {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The message, then the hint on a line of its own, with settings as `render` writes them.
    pub fn render(&self, render: impl Fn(&Setting) -> String) -> String {
        match &self.hint {
            Some(hint) => format!("{}\nhint: {}", self.message, hint.render(render)),
            None => self.message.clone(),
        }
    }
}

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

impl std::error::Error for Problem {}

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
        let problem = Problem::new("cannot read it").at("x--force.csv").hint(hint);
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
}
