//! The machine: the parts of a pool that stay the same from its start to its end: memory,
//! bells, the timer, the poller. They need no lock.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use manyhands_shm::arena::Arena;
use manyhands_shm::participant::own_pid;

use crate::error::{Error, ErrorKind, Result};
use crate::options::PoolOptions;
use crate::os::{self, Poller, Timer};
use crate::stderr::Forwarder;
use crate::task::{Blobs, DeadBlobs};

/// Number under which the poller reports the hub's bell.
pub(crate) const BELL: u64 = 0;
/// Number under which the poller reports the timer.
pub(crate) const TIMER: u64 = 1;
/// Number under which the poller reports the death of the worker in slot 0; the other slots follow.
pub(crate) const FIRST_SLOT: u64 = 2;

pub(crate) struct Machine {
    pub(crate) options: PoolOptions,
    /// Process number of the process that made the pool.
    pub(crate) maker: u32,
    /// Memory for inputs that do not fit into a ring.
    pub(crate) arena: Mutex<Arena>,
    pub(crate) blobs: Mutex<Blobs>,
    pub(crate) dead_blobs: Arc<DeadBlobs>,
    /// Bell of the hub.
    pub(crate) bell: Arc<OwnedFd>,
    /// Bell of the driver.
    pub(crate) driver_bell: OwnedFd,
    /// Bell of the driver after a long sleep: the read and write ends of a pipe.
    pub(crate) cold_bell: (OwnedFd, OwnedFd),
    pub(crate) stderr: Forwarder,
    /// The descriptors on which the hub sleeps: its bell, the timer, one pidfd per worker.
    pub(crate) poller: Poller,
    /// Wakes the hub at `State::wake_at`.
    pub(crate) timer: Timer,
    /// Number of cores that this process may use.
    pub(crate) cores: usize,
}

impl Machine {
    pub(crate) fn new(options: PoolOptions) -> Result<Self> {
        let new = || -> std::io::Result<Self> {
            let bell = Arc::new(os::bell()?);
            let dead_blobs = Arc::new(DeadBlobs { ids: Mutex::default(), bell: Arc::clone(&bell) });
            let (poller, timer) = (Poller::new()?, Timer::new()?);
            poller.add(&bell, BELL)?;
            poller.add(&timer, TIMER)?;
            Ok(Machine {
                options,
                maker: own_pid(),
                arena: Mutex::new(Arena::new("manyhands-payloads")),
                blobs: Mutex::new(Blobs::new(Arc::clone(&dead_blobs))),
                dead_blobs,
                bell,
                driver_bell: os::bell()?,
                cold_bell: os::cold_bell()?,
                stderr: Forwarder::start()?,
                cores: crate::limits::usable_cores(),
                poller,
                timer,
            })
        };
        new().map_err(|error| Error::system("making a pool", error))
    }

    /// Fails in a forked copy of the process that made the pool.
    pub(crate) fn check_maker(&self) -> Result<()> {
        if own_pid() == self.maker {
            return Ok(());
        }
        Err(ErrorKind::Forked { maker: self.maker }.into())
    }
}
