//! Classifies the name of an input: one file, several files, or an address, which is not supported.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use manyhands_csv::{Hint, Problem};

/// Returns whether inputs may be more than one file: there are several names, or the only one is a directory or
/// a pattern.
pub fn are_several(inputs: &[OsString]) -> bool {
    inputs.len() > 1 || inputs.iter().any(|input| stands_for_several(input))
}

/// Returns whether one name stands for several files.
pub(crate) fn stands_for_several(input: &OsStr) -> bool {
    let path = Path::new(input);
    path.is_dir() || (is_pattern(input) && !path.exists())
}

pub(crate) fn is_pattern(argument: &OsStr) -> bool {
    argument.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// # Errors
/// If the input is an address rather than a file.
pub(crate) fn check_input(name: &OsStr) -> Result<(), Problem> {
    let text = name.to_str().unwrap_or_default();
    let Some(scheme) = scheme(text).map(str::to_ascii_lowercase) else { return Ok(()) };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./%+=:,@".contains(&byte);
    let quoted = match text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    let fetch = match &*scheme {
        "file" => {
            let path = &text["file://".len()..];
            return Err(Problem::new(format!(
                "{text} is an address, and inputs are named by paths"
            ))
            .hint(Hint::words(format!("its path is {path}"))));
        }
        "http" | "https" | "ftp" => format!("curl -L {quoted}"),
        "s3" => format!("aws s3 cp {quoted} -"),
        "gs" => format!("gcloud storage cat {quoted}"),
        _ => {
            return Err(Problem::new(format!("{text} is not fetched: inputs are files"))
                .hint(Hint::words("fetch it first")));
        }
    };
    Err(Problem::new(format!("{text} is not fetched: inputs are files"))
        .hint(Hint::words(format!("fetch it first, as in: {fetch} | ")).and_is("inputs", "-")))
}

/// The scheme of an address such as `s3://bucket/key` or `jdbc:postgresql://host/`. Nobody wants directories
/// of these names; `./s3://bucket` is a path.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    (!scheme.is_empty() && !scheme.contains('/') && !Path::new(text).exists()).then_some(scheme)
}
