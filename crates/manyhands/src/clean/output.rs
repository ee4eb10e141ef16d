//! Files that appear under their names only when they are complete.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_pool::Reply;
use rustix::fs::{CWD, FileType, RenameFlags};

use super::inputs::{Target, is_device};
use super::watch::{TICK, Watch};

/// A file beside its final place, removed if it is not published.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    published: bool,
}

/// What was done, with what the system said.
pub(super) fn told(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} {}: {error}", path.display())
}

impl Draft {
    /// A draft for `path`; nothing is made yet.
    pub(super) fn new(path: &Path) -> Draft {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // As much of its name as fits, with what is added, into the 255 bytes of a name.
        const OWN: usize = 200;
        let own = path.file_name().unwrap_or_default().as_bytes();
        let mut name = std::ffi::OsString::from(".");
        name.push(OsStr::from_bytes(&own[..own.len().min(OWN)]));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        name.push(format!(".{}-{number}.tmp", std::process::id()));
        Draft { path: path.to_owned(), temporary: path.with_file_name(name), published: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    pub(super) fn create(&self) -> Result<File, String> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.temporary);
        file.map_err(|error| told("cannot write", &self.path, &error))
    }

    /// Gives the file its name; replaces one of that name only if `force` is set.
    pub(super) fn publish(mut self, force: bool) -> Result<(), String> {
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} exists; --force replaces it", self.path.display())
            }
            _ => told("cannot write", &self.path, &error),
        };
        let flags = if force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        match rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, flags) {
            // A file system that cannot do that: a link never replaces.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !force => {
                fs::hard_link(&self.temporary, &self.path).map_err(wrong)?;
                return Ok(());
            }
            result => result.map_err(|error| wrong(error.into()))?,
        }
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where clean rows are written: a draft, or what is there already and is no regular file.
#[derive(Debug)]
pub(super) struct Sink {
    to: To,
    name: String,
    pub(super) written: u64,
    /// Whether the last byte written ended no line.
    in_line: bool,
    /// Whether it is a pipe or a terminal, whose reader may be slow.
    waits: bool,
    /// Whether a write was begun and not ended: a part of it may be there.
    torn: bool,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    Device(File),
    Draft(Draft, File),
}

/// Why something could not be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Nobody reads any more.
    ClosedPipe,
    /// The observer stopped the job while the reader was waited for.
    Interrupted,
    Failed(String),
}

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Sink, String> {
        let (to, name) = match target {
            Target::Stdout => (To::Stdout(io::stdout()), "standard output".to_owned()),
            Target::File(path) if is_device(path) => {
                let file = OpenOptions::new().write(true).open(path);
                let file = file.map_err(|error| told("cannot write", path, &error))?;
                (To::Device(file), path.display().to_string())
            }
            Target::File(path) => {
                let draft = Draft::new(path);
                let file = draft.create()?;
                (To::Draft(draft, file), path.display().to_string())
            }
        };
        let mut sink = Sink { to, name, written: 0, in_line: false, waits: false, torn: false };
        let kind = rustix::fs::fstat(sink.descriptor());
        sink.waits = kind.is_ok_and(|stat| !FileType::from_raw_mode(stat.st_mode).is_file());
        Ok(sink)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.to {
            To::Stdout(stdout) => stdout.as_fd(),
            To::Device(file) | To::Draft(_, file) => file.as_fd(),
        }
    }

    fn wrong(&self, error: &io::Error) -> WriteError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => WriteError::ClosedPipe,
            _ => WriteError::Failed(format!("cannot write {}: {error}", self.name)),
        }
    }

    /// Waits until writing will not block, if the sink is one that can block for long; gives how
    /// many bytes may be written then.
    fn wait(&self, len: usize, watch: &mut Watch) -> Result<usize, WriteError> {
        if !self.waits {
            return Ok(len);
        }
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
        let descriptor = self.descriptor();
        loop {
            let mut fds = [PollFd::new(&descriptor, PollFlags::OUT)];
            match poll(&mut fds, Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {
                    watch.tick().map_err(|_| WriteError::Interrupted)?;
                }
                // A pipe that has room has room for so many bytes (PIPE_BUF).
                _ => return Ok(len.min(4096)),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        self.torn = true;
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = self.wait(rest.len(), watch)?;
            match rustix::io::write(self.descriptor(), &rest[..now]) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.wrong(&error.into())),
            }
        }
        self.torn = false;
        self.written += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.in_line = !matches!(last, b'\n' | b'\r');
        }
        Ok(())
    }

    /// Writes the first `len` bytes of a reply straight from where they are.
    pub(super) fn write_reply(
        &mut self,
        reply: &Reply,
        len: usize,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.torn = true;
        let mut at = 0;
        while at < len {
            let now = self.wait(len - at, watch)?;
            let written = reply.write_to(at, now, self.descriptor());
            written.map_err(|error| self.wrong(&error))?;
            at += now;
        }
        self.torn = false;
        self.written += len as u64;
        if len > 0 {
            let last =
                reply.read(len - 1, 1).map_err(|error| WriteError::Failed(error.to_string()))?;
            self.in_line = !matches!(last[..], [b'\n' | b'\r']);
        }
        Ok(())
    }

    /// Ends the last line, if its own file did not.
    pub(super) fn end_line(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        if self.in_line { self.write(b"\n", watch) } else { Ok(()) }
    }

    /// Takes back what was written after the first `len` bytes, if that can be.
    pub(super) fn truncate(&mut self, len: u64) -> bool {
        use std::io::Seek;
        let To::Draft(_, file) = &mut self.to else {
            return self.written == len && !self.torn;
        };
        let done = file.set_len(len).and_then(|()| file.seek(io::SeekFrom::Start(len))).is_ok();
        if done {
            (self.written, self.torn) = (len, false);
        }
        done
    }

    /// Gives the output its name.
    pub(super) fn publish(self, force: bool) -> Result<(), String> {
        match self.to {
            To::Draft(draft, _) => draft.publish(force),
            To::Stdout(_) | To::Device(_) => Ok(()),
        }
    }
}
