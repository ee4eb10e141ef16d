//! Standard output, named pipes and devices: text that is visible at once and cannot be taken back.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use manyhands_csv::Style;

use crate::output::device::open_device;
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::placed::Existing;
use crate::output::stores::row_store::{Part, Published, RowStore};
use crate::output::stores::text::Text;
use crate::paths::cannot_write;
use crate::watch::Watch;

#[derive(Debug)]
pub(crate) struct Pipe {
    to: To,
    text: Text,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    Device(File),
    /// Nothing is written any more.
    Nothing,
}

impl To {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            To::Stdout(stdout) => Some(stdout.as_fd()),
            To::Device(file) => Some(file.as_fd()),
            To::Nothing => None,
        }
    }
}

impl Pipe {
    pub(crate) fn stdout(summed: bool) -> Pipe {
        let to = io::stdout();
        let text = Text::new("standard output".to_owned(), None, summed, to.as_fd());
        Pipe { to: To::Stdout(to), text }
    }

    /// Opens a file that is not a regular one. Waits until somebody reads a named pipe.
    pub(crate) fn device(path: &Path, summed: bool, watch: &mut Watch) -> Result<Pipe, WriteError> {
        let file = open_device(path, || watch.go_on()).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => WriteError::Interrupted,
            _ => WriteError::of(cannot_write(path, error)),
        })?;
        let text = Text::new(path.display().to_string(), None, summed, file.as_fd());
        Ok(Pipe { to: To::Device(file), text })
    }
}

impl RowStore for Pipe {
    fn written(&self) -> u64 {
        self.text.of_input()
    }

    fn is_text(&self) -> bool {
        true
    }

    fn style(&self) -> Option<Style> {
        self.text.style()
    }

    fn write_text(&mut self, text: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        self.text.write_text(self.to.descriptor(), text, watch)
    }

    fn write_bytes(
        &mut self,
        bytes: &[u8],
        in_line: Option<bool>,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.text.write(self.to.descriptor(), bytes, in_line, watch)
    }

    fn name(&self) -> &str {
        &self.text.name
    }

    fn begin(
        &mut self,
        columns: Vec<Column>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        self.text.begin(self.to.descriptor(), columns, style, watch)
    }

    fn append(&mut self, part: Part<'_>, watch: &mut Watch) -> Result<(), WriteError> {
        self.text.append(self.to.descriptor(), &part, watch)
    }

    fn commit(
        &mut self,
        _entry: &mut dyn FnMut() -> Entry,
        _watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.text.commit();
        Ok(())
    }

    fn roll_back(&mut self, _watch: &mut Watch) -> Result<u64, WriteError> {
        let left = match self.is_given_up() {
            true => self.text.roll_back().map(|_| 0),
            false => self.text.roll_back(),
        };
        let left = left.unwrap_or(0);
        if left > 0 {
            self.give_up();
        }
        Ok(left)
    }

    fn publish(
        mut self: Box<Self>,
        _existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        self.text.finish(self.to.descriptor(), watch)?;
        let (bytes, sum) = (self.text.contents.written, self.text.contents.sum.unwrap_or_default());
        Ok(Published { bytes, sum, ..Published::default() })
    }

    fn is_final(&self) -> bool {
        true
    }

    fn is_given_up(&self) -> bool {
        matches!(self.to, To::Nothing)
    }

    fn give_up(&mut self) {
        self.to = To::Nothing;
    }
}
