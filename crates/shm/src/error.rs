//! The error type of this crate.

use std::fmt;
use std::io;

/// The result of a fallible operation on shared memory.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on shared memory failed.
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The machine, the cgroup or the descriptor limit has no room for `bytes` more bytes.
    OutOfMemory {
        /// Requested number of bytes.
        bytes: usize,
        /// Message of the kernel.
        source: io::Error,
    },
    /// A system call failed.
    System {
        /// Name of the call.
        call: &'static str,
        /// Message of the kernel.
        source: io::Error,
    },
    /// A size, count or range is invalid.
    Invalid(String),
    /// The shared memory breaks its layout: another process overwrote it.
    Corrupt(String),
    /// Living processes take every slot for participants of this object.
    TooManyParticipants(usize),
}

impl Error {
    /// Kind of the failure.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// An error for an invalid argument.
    #[cold]
    pub fn invalid(what: impl Into<String>) -> Self {
        ErrorKind::Invalid(what.into()).into()
    }

    /// An error for shared memory with invalid contents.
    #[cold]
    pub fn corrupt(what: impl Into<String>) -> Self {
        ErrorKind::Corrupt(what.into()).into()
    }

    #[cold]
    pub(crate) fn system(call: &'static str, source: impl Into<io::Error>) -> Self {
        ErrorKind::System { call, source: source.into() }.into()
    }

    /// True if this process, or the machine, has no descriptors left.
    pub fn is_out_of_descriptors(&self) -> bool {
        // EMFILE and ENFILE.
        matches!(self.kind(), ErrorKind::OutOfMemory { source, .. } | ErrorKind::System { source, .. }
            if matches!(source.raw_os_error(), Some(23 | 24)))
    }

    /// True if memory or descriptors ran out.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.kind(), ErrorKind::OutOfMemory { .. })
    }

    /// True if shared memory has invalid contents: another process overwrote it.
    pub fn is_corrupt(&self) -> bool {
        matches!(self.kind(), ErrorKind::Corrupt { .. })
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(kind))
    }
}

/// Prints the message, since a `main` that returns an error prints this; `kind` has the details.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::OutOfMemory { bytes, source } if self.is_out_of_descriptors() => write!(
                f,
                "no descriptor for {bytes} bytes of shared memory ({source}): raise the limit on \
                 open files (ulimit -n), or have fewer large arrays and payloads at a time"
            ),
            ErrorKind::OutOfMemory { bytes, source }
                if source.raw_os_error() == Some(libc::EFBIG) =>
            {
                write!(
                    f,
                    "{bytes} bytes of shared memory are over the limit of file sizes ({source}): raise \
                     it (ulimit -f)"
                )
            }
            ErrorKind::OutOfMemory { bytes, source } => write!(
                f,
                "no room for {bytes} bytes of shared memory ({source}): free memory, raise the \
                 container's limit, or use smaller arrays"
            ),
            ErrorKind::System { call, source } => write!(f, "{call} failed: {source}"),
            ErrorKind::Invalid(what) => f.write_str(what),
            ErrorKind::Corrupt(what) => write!(f, "shared memory is corrupt: {what}"),
            ErrorKind::TooManyParticipants(most) => {
                write!(f, "{most} processes use this object already; it takes no more")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::OutOfMemory { source, .. } | ErrorKind::System { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
