//! Events about workers for a `tracing` subscriber. Empty without the feature `tracing`.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, warn};

/// Does nothing. The arguments exist for the event alone.
#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($($tokens:tt)*) => {};
}

#[cfg(not(feature = "tracing"))]
pub(crate) use {event as debug, event as warn};
