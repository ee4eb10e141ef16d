//! The source of the rows of one input, and their destination.

use std::path::PathBuf;

use crate::names::text_of;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    pub(crate) fn name(&self) -> String {
        match self {
            Input::Stdin => "-".to_owned(),
            Input::File(path) => text_of(path),
        }
    }
}

/// The destination of one input's clean rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
    /// A table of the database in this file.
    Sqlite(PathBuf, String),
    /// A table of the database at this address.
    Postgres(String, String),
    /// Nowhere: types are proposed.
    Types,
}

/// The address of a server without its secrets.
pub(crate) fn server_name(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match (url.split_once("://"), url.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://{}", &url[at + 1..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_server_tells_no_password() {
        let name = "postgresql://host/db";
        assert_eq!(server_name("postgresql://me:secr@t@host/db?password=x"), name);
        assert_eq!(server_name(name), name);
    }
}
