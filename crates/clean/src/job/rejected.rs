//! The rejects of one file, until they are published.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use manyhands_csv::Problem;

use crate::checksum::Checksum;
use crate::output::draft::Draft;
use crate::output::entry;
use crate::output::placed::{Existing, Placed};

/// The rejects of a file.
pub(crate) enum Rejects {
    Some(Draft),
    /// There are none; they would be here.
    None(PathBuf),
    NoPlace,
}

impl Rejects {
    /// Publishes the rejects, or removes those of an earlier run.
    pub(crate) fn publish(self, existing: Existing) -> Result<Placed, Problem> {
        match self {
            Rejects::Some(draft) => {
                let is_same_or_more =
                    existing == Existing::Taken && draft.continues_what_is_there();
                draft.publish(if is_same_or_more { Existing::Replaced } else { existing })
            }
            Rejects::None(path) => Placed::without_rejects(&path, existing),
            Rejects::NoPlace => Ok(Placed::default()),
        }
    }
}

/// The file name for rejects of rows in a table. More files may be added under the same name later, so it has
/// the input's name and a checksum of the input's path and bytes and of the recipe.
pub(crate) fn name_in_table(
    rejects: &Path,
    input: &Path,
    sum: Checksum,
    recipe_checksum: &str,
) -> OsString {
    let key = format!("{}\0{sum}\0{recipe_checksum}", entry::current_name(input));
    let checksum = Checksum::of(key.as_bytes()).to_string();
    let mut name = rejects.with_extension("").with_extension("").into_os_string();
    name.push(format!(".{}.rejects.csv", &checksum[..8]));
    Path::new(&name).file_name().unwrap_or_default().to_owned()
}

pub(crate) fn write_rejects(path: &Path, text: &[u8]) -> Result<Draft, Problem> {
    let mut draft = Draft::create(path)?;
    draft.append(text)?;
    Ok(draft)
}
