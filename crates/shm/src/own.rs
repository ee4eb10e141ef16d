//! Private state of this process: its identity, and the segments in which it places small
//! objects.
//!
//! Both are reached through a page that the kernel zeroes in every forked child. So a child
//! starts with neither, at whatever instant it was forked: it never acts as its parent, never hands
//! out a place that its parent also hands out, and never waits for a lock that a thread of its
//! parent held at the fork.

#![allow(unsafe_code, reason = "keeps private state in a page that fork zeroes")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::os;

/// Contents of the page. All zeros mean that nothing is known yet.
#[repr(C)]
pub(crate) struct Own {
    /// The word of this process's identity (`participant.rs`).
    pub(crate) identity: AtomicU64,
    /// The allocators of this process (`place.rs`).
    pub(crate) allocators: AtomicPtr<()>,
}

/// The page, once it exists. A forked child has it too, zeroed.
static PAGE: AtomicPtr<Own> = AtomicPtr::new(ptr::null_mut());

/// The page; `None` on a kernel without such pages (before Linux 4.14).
pub(crate) fn own() -> Option<&'static Own> {
    // Acquire: pairs with the Release in `make_page`.
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: a page that was published is never unmapped, and any bytes are atomics.
    unsafe { page.as_ref() }.or_else(make_page)
}

#[cold]
fn make_page() -> Option<&'static Own> {
    let page = os::page_zeroed_by_fork().ok()?.as_ptr().cast();
    // Release: pairs with the Acquire in `own`. If two threads come here, the second page stays
    // unused, which costs four kilobytes once.
    let published =
        PAGE.compare_exchange(ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire);
    let page = published.map_or_else(|known| known, |_| page);
    // SAFETY: as in `own`.
    unsafe { page.as_ref() }
}
