//! Renders hints for the command: the settings that they name become flags.

use manyhands::clean::{Problem, Setting, SettingValue};

/// The setting as it is typed: `--force`, `--delimiter ';'`.
pub(crate) fn flag(setting: &Setting) -> String {
    if (setting.name.as_str(), &setting.value) == ("has_header", &SettingValue::Is("false".into()))
    {
        return "--no-header".to_owned();
    }
    let name = match setting.name.as_str() {
        "output" => "-o".to_owned(),
        "inputs" => "manyhands clean".to_owned(),
        name => format!("--{}", name.replace('_', "-")),
    };
    match &setting.value {
        SettingValue::On | SettingValue::Any => name,
        SettingValue::Is(value) => format!("{name} {}", quoted(value)),
    }
}

/// The problem with its hint, for standard error.
pub(crate) fn told(problem: &Problem) -> String {
    problem.render(flag)
}

/// A word, quoted for a shell if necessary.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./%+=:,@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use manyhands::clean::Hint;

    use super::*;

    #[test]
    fn settings_are_flags_that_can_be_pasted() {
        let hint = Hint::is("delimiter", ";").and(", ").and_is("skip_lines", 3);
        let hint = hint.and(" or ").and_on("force").and(", not ").and_is("name", "it's");
        let told = told(&Problem::new("x").hint(hint));
        assert_eq!(
            told,
            r"x
hint: --delimiter ';', --skip-lines 3 or --force, not --name 'it'\''s'"
        );
    }
}
