//! A CSV file, which appears under its name when it is complete.

use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use manyhands_csv::Style;

use crate::compression::Compression;
use crate::output::draft::Draft;
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::placed::Existing;
use crate::output::stores::row_store::{Part, Published, RowStore};
use crate::output::stores::text::Text;
use crate::paths::cannot_write;
use crate::watch::Watch;

#[derive(Debug)]
pub(crate) struct TextFile {
    /// None once output is discarded.
    draft: Option<Draft>,
    text: Text,
}

impl TextFile {
    pub(crate) fn open(
        path: &Path,
        compression: Option<Compression>,
        summed: bool,
    ) -> Result<TextFile, WriteError> {
        let draft = Draft::create(path).map_err(WriteError::of)?;
        let name = path.display().to_string();
        let text = Text::new(name, compression, summed, draft.file().as_fd());
        Ok(TextFile { draft: Some(draft), text })
    }
}

/// The descriptor for text; none once output is discarded.
fn descriptor(draft: &Option<Draft>) -> Option<BorrowedFd<'_>> {
    draft.as_ref().map(|draft| draft.file().as_fd())
}

impl RowStore for TextFile {
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
        self.text.write_text(descriptor(&self.draft), text, watch)
    }

    fn write_bytes(
        &mut self,
        bytes: &[u8],
        in_line: Option<bool>,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.text.write(descriptor(&self.draft), bytes, in_line, watch)
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
        self.text.begin(descriptor(&self.draft), columns, style, watch)
    }

    fn append(&mut self, part: Part<'_>, watch: &mut Watch) -> Result<(), WriteError> {
        self.text.append(descriptor(&self.draft), &part, watch)
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
        let before = self.text.contents.written - self.text.of_input();
        if self.text.roll_back().is_some()
            && let Some(draft) = &self.draft
        {
            let mut file = draft.file();
            file.set_len(before)
                .and_then(|()| file.seek(SeekFrom::Start(before)))
                .map_err(|error| WriteError::of(cannot_write(draft.path(), error)))?;
        }
        Ok(0)
    }

    fn publish(
        mut self: Box<Self>,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        let to = descriptor(&self.draft);
        self.text.finish(to, watch)?;
        let placed = self.draft.map(|draft| draft.publish(existing)).transpose();
        let placed = placed.map_err(WriteError::of)?.unwrap_or_default();
        let (bytes, sum) = (self.text.contents.written, self.text.contents.sum.unwrap_or_default());
        Ok(Published { placed, bytes, sum, ..Published::default() })
    }

    fn is_given_up(&self) -> bool {
        self.draft.is_none()
    }

    fn give_up(&mut self) {
        self.draft = None;
    }
}
