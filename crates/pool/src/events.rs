//! Events about workers, for a `tracing` subscriber; nothing without the feature `tracing`.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, warn};

/// Nothing. The fields are named, since they are there for the event alone.
#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($($tokens:tt)*) => {};
}

#[cfg(not(feature = "tracing"))]
pub(crate) use {event as debug, event as warn};
