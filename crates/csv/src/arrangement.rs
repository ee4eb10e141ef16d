//! The arrangement: the columns of one output of files with different headers. Each file's plan gives its own columns
//! these places, by name.
//!
//! ```text
//!   a.csv   id,city         union          id,city,note     in order of first appearance; missing cells are empty
//!   b.csv   note,id         intersection   id               what all have, in the order of the first file
//! ```
//! The names are those that the steps leave. A header in which columns cannot be told apart by name has no place in
//! an arrangement.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::choices::Type;
use crate::problem::{Hint, Problem, ProblemKind};
use crate::resolve::{Builder, UnnamedTitle};

/// A column of an output, as other files' columns are compared with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NamedColumn {
    /// Its name in the output's header.
    pub name: String,
    /// The type that a `types` step declares.
    pub declared: Option<Type>,
}

/// The columns of one output of files with different headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrangement {
    columns: Vec<NamedColumn>,
    /// True if every file must have all of these columns, and others are left out.
    is_intersection: bool,
}

impl Arrangement {
    /// All columns of some files, in order of first appearance.
    pub fn union<'a>(files: impl IntoIterator<Item = &'a [NamedColumn]>) -> Arrangement {
        let (mut columns, mut known) = (Vec::<NamedColumn>::new(), HashMap::new());
        for column in files.into_iter().flatten() {
            match known.get(&column.name) {
                Some(place) => {
                    let known: &mut NamedColumn = &mut columns[*place];
                    known.declared = known.declared.or(column.declared);
                }
                None => {
                    known.insert(&column.name, columns.len());
                    columns.push(column.clone());
                }
            }
        }
        Arrangement { columns, is_intersection: false }
    }

    /// The columns that all of some files have, in the order of the first one.
    pub fn intersection<'a>(files: impl IntoIterator<Item = &'a [NamedColumn]>) -> Arrangement {
        let mut files = files.into_iter();
        let mut columns = files.next().unwrap_or_default().to_vec();
        for file in files {
            let names: HashSet<&str> = file.iter().map(|column| column.name.as_str()).collect();
            columns.retain(|column| names.contains(column.name.as_str()));
        }
        Arrangement { columns, is_intersection: true }
    }

    /// Its columns in order.
    pub fn columns(&self) -> &[NamedColumn] {
        &self.columns
    }

    /// Gives the columns of a file their places. Columns that the file lacks are added without values.
    ///
    /// # Errors
    /// If its columns cannot be told apart by name, or are not those that were compared.
    pub(crate) fn arrange(&self, builder: &mut Builder, has_header: bool) -> Result<(), Problem> {
        check_names(builder.unnamed_titles().next().as_ref(), has_header)?;
        let changed = |verb: &str, name: &str| {
            let text = format!("it {verb} the column {name:?} after the headers were compared");
            Err(Problem::new(text).of(ProblemKind::Changed))
        };
        let own = std::mem::take(&mut builder.scope.columns);
        let mut own: HashMap<String, _> =
            own.into_iter().map(|column| (column.name.clone(), column)).collect();
        let mut arranged = Vec::with_capacity(self.columns.len());
        for NamedColumn { name, declared } in &self.columns {
            if let Some(column) = own.remove(name) {
                arranged.push(column);
            } else if self.is_intersection {
                return changed("lost", name);
            } else {
                builder.append(name);
                let mut added = builder.scope.columns.pop();
                added.iter_mut().for_each(|column| column.declared = *declared);
                arranged.extend(added);
            }
        }
        builder.scope.columns = arranged;
        match own.into_keys().min().filter(|_| !self.is_intersection) {
            Some(name) => changed("got", &name),
            None => Ok(()),
        }
    }
}

/// Checks that the columns of a file can be matched by name; `unnamed` is the first one that goes by another name than
/// its header cell.
///
/// # Errors
/// If there is no header, a name stands there twice, a column has none, or one is not text.
pub(crate) fn check_names(unnamed: Option<&UnnamedTitle>, has_header: bool) -> Result<(), Problem> {
    if !has_header {
        return Err("it has no header, and columns are matched by name".into());
    }
    let Some(unnamed) = unnamed else { return Ok(()) };
    if !unnamed.is_text {
        return Err(unnamed.not_text());
    }
    let UnnamedTitle { column, title, name, .. } = unnamed;
    let text = match title.is_empty() {
        true => format!("column {column} has no name"),
        false => {
            format!("its header has the name {title:?} twice, the second time in column {column}")
        }
    };
    let hint = format!("the step normalize_columns names that column {name:?}");
    Err(Problem::new(format!("{text}, and columns are matched by name")).hint(Hint::words(hint)))
}
