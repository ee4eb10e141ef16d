//! Linux: memfd, seals, mmap, futex, and checks whether a process is alive.

#![allow(unsafe_code, reason = "system calls that map memory")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;

#[cfg(miri)]
use super::{map_shared, unmap};
use crate::control_group::own_control_groups;

/// Makes an anonymous file of `len` bytes whose pages are reserved.
#[cfg(not(miri))]
pub(crate) fn memfd(name: &str, len: u64) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    reserve(&fd, 0, len)?;
    Ok(fd)
}

/// Makes an anonymous file of `len` bytes whose pages are not reserved.
pub(crate) fn memfd_sparse(name: &str, len: u64) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&fd, len)?;
    Ok(fd)
}

/// Reservations of at least this many bytes first check that there is room.
const LARGE: u64 = 1 << 20;

/// Longer reservations are made in pieces of this many bytes. Before Linux 6.14, a signal makes the
/// kernel give up a piece, so a timer could keep a long one from ever ending.
const PIECE: u64 = 8 << 20;

/// Reserves the pages of `offset..offset + len`, extending the file if it is shorter.
///
/// The kernel would rather kill processes than refuse, so a large reservation that cannot be met is
/// refused here.
pub(crate) fn reserve(fd: impl AsFd, offset: u64, len: u64) -> io::Result<()> {
    if len >= LARGE && available_memory().is_some_and(|available| len > available) {
        return Err(Errno::NOMEM.into());
    }
    let (mut at, end) = (offset, offset.checked_add(len).ok_or(Errno::FBIG)?);
    while at < end {
        match rustix::fs::fallocate(&fd, FallocateFlags::empty(), at, PIECE.min(end - at)) {
            Ok(()) => at += PIECE.min(end - at),
            Err(Errno::INTR) => {}
            Err(source) => return Err(source.into()),
        }
    }
    Ok(())
}

/// Forbids shrinking (so no mapped page can vanish) and, unless `growable`, any change of size.
#[cfg(not(miri))]
pub(crate) fn seal(fd: impl AsFd, growable: bool) -> io::Result<()> {
    let mut seals = SealFlags::SHRINK;
    if !growable {
        seals |= SealFlags::GROW | SealFlags::SEAL;
    }
    Ok(rustix::fs::fcntl_add_seals(fd, seals)?)
}

/// Forbids writing and any change of size, for good; later mappings are read-only or private.
/// Before Linux 5.1 writing cannot be forbidden, and the file is then sealed like by [`seal`].
#[cfg(not(miri))]
pub(crate) fn seal_copy(fd: impl AsFd) -> io::Result<()> {
    match rustix::fs::fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE) {
        Ok(()) | Err(Errno::INVAL) => seal(fd, false),
        Err(error) => Err(error.into()),
    }
}

/// True if `fd` is sealed as [`seal_copy`] does.
pub(crate) fn is_copy(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(fd)
        .is_ok_and(|seals| seals.contains(SealFlags::SHRINK | SealFlags::FUTURE_WRITE))
}

/// Maps `len` bytes of `fd` from its start; writes to the mapping are visible to this process only.
pub(crate) fn map_private(fd: impl AsFd, len: usize) -> io::Result<NonNull<u8>> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: as in `map_shared`.
    let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, prot, MapFlags::PRIVATE, fd, 0)? };
    Ok(NonNull::new(base.cast()).expect("mmap never maps at address zero"))
}

/// True if `fd` is sealed against shrinking, so that no mapped page can vanish.
pub(crate) fn cannot_shrink(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

pub(crate) fn file_len(fd: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(fd)?.st_size as u64)
}

/// True if `fd` is open for writing.
pub(crate) fn is_writable(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::RDWR))
}

/// Opens the same file again, for reading only.
pub(crate) fn reopen_read_only(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Maps `len` bytes of `fd` from its start, shared with every other process that maps it.
#[cfg(not(miri))]
pub(crate) fn map_shared(fd: impl AsFd, len: usize, writable: bool) -> io::Result<NonNull<u8>> {
    let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
    // SAFETY: the kernel picks the address, so no mapping of this process is replaced; `len` is
    // not zero (callers check) and the mapping is owned by the caller until `unmap`.
    let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, prot, MapFlags::SHARED, fd, 0)? };
    Ok(NonNull::new(base.cast()).expect("mmap never maps at address zero"))
}

/// Maps `fd` from its start like [`map_shared`], with address space up to `len`, which may lie
/// beyond the end of the file. Memory beyond the end may be touched once the file has grown over
/// it. Left out of core dumps, which would walk all of it.
pub(crate) fn map_space(fd: impl AsFd, len: usize) -> io::Result<NonNull<u8>> {
    let base = map_shared(fd, len, true)?;
    // SAFETY: the mapping was just made; the advice changes nothing of its contents.
    let _ = unsafe {
        rustix::mm::madvise(base.as_ptr().cast(), len, rustix::mm::Advice::LinuxDontDump)
    };
    Ok(base)
}

/// Ends a mapping made by [`map_shared`].
///
/// # Safety
/// No other code uses the mapping of `base` and `len` any more.
#[cfg(not(miri))]
pub(crate) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { rustix::mm::munmap(base.as_ptr().cast(), len) };
}

/// Sleeps while `word` holds `expected`, for at most `limit`. May wake up spuriously.
///
/// The word may lie in memory shared between processes.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, limit: Duration) {
    let limit = futex::Timespec {
        tv_sec: limit.as_secs().min(1 << 40) as _,
        tv_nsec: limit.subsec_nanos() as _,
    };
    let _ = futex::wait(word, futex::Flags::empty(), expected, Some(&limit));
}

/// Wakes up to `count` sleepers of `word`; returns their number.
pub(crate) fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    futex::wake(word, futex::Flags::empty(), count).unwrap_or(0) as u32
}

/// The state of a process, as `/proc` shows it.
enum Seen {
    /// Alive; the start time in clock ticks since boot.
    Living(u64),
    /// Does not exist, or is a zombie. A zombie will do nothing more, so everything that it held
    /// may be taken.
    Gone,
    /// `/proc` could not be read: not mounted, hidden, or no descriptor or memory left.
    Unknown,
}

fn look_at(pid: u32) -> Seen {
    // Bytes, since a process name may contain any.
    let stat = match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // The process ended during the read.
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
            return Seen::Gone;
        }
        Err(_) => return Seen::Unknown,
    };
    parse_stat(&stat).unwrap_or(Seen::Unknown)
}

fn parse_stat(stat: &[u8]) -> Option<Seen> {
    // The second field is the name in parentheses, which may itself contain spaces and parentheses.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    // If the main thread ended before the others, it is a zombie in a process that still runs.
    if matches!(state, "Z" | "X" | "x") && threads <= 1 {
        return Some(Seen::Gone);
    }
    fields.nth(1)?.parse().ok().map(Seen::Living)
}

/// Start time of the living process `pid`; `None` if unknown.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    match look_at(pid) {
        Seen::Living(start) => Some(start),
        Seen::Gone | Seen::Unknown => None,
    }
}

/// True if the process that had number `pid` and start time `start` (0 if unknown) is gone for
/// good. Counts as alive if that cannot be determined.
pub(crate) fn is_gone(pid: u32, start: u64) -> bool {
    let Some(process) = rustix::process::Pid::from_raw(pid as i32) else { return true };
    if rustix::process::test_kill_process(process) == Err(Errno::SRCH) {
        return true;
    }
    match look_at(pid) {
        Seen::Gone => true,
        Seen::Living(now) => start != 0 && now != start,
        Seen::Unknown => false,
    }
}

/// Milliseconds of a monotonic clock, cut to 32 bits.
pub(crate) fn milliseconds() -> u32 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (now.tv_sec as u32).wrapping_mul(1000).wrapping_add(now.tv_nsec as u32 / 1_000_000)
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Number of this process.
pub(crate) fn own_pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// A page of private memory that is zero now, and zero again in every forked child.
pub(crate) fn page_zeroed_by_fork() -> io::Result<NonNull<u8>> {
    let len = page_size();
    // SAFETY: the kernel picks the address, so no mapping of this process is replaced.
    let page = unsafe {
        rustix::mm::mmap_anonymous(
            ptr::null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )?
    };
    // SAFETY: the page was just mapped, and no other code knows it.
    let advised = unsafe { rustix::mm::madvise(page, len, rustix::mm::Advice::LinuxWipeOnFork) };
    let page = NonNull::new(page.cast()).expect("mmap never maps at address zero");
    if let Err(source) = advised {
        // SAFETY: as above.
        unsafe { unmap(page, len) };
        return Err(source.into());
    }
    Ok(page)
}

/// Size of a page of memory in bytes.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// Number of bytes that this process and its control groups could still use: memory that is free or
/// can be freed at once, within the limits of the groups. `None` if `/proc` has no answer.
fn available_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
    };
    let machine = field("MemAvailable:")? + field("SwapFree:").unwrap_or(0);
    Some(machine.min(control_group_room().unwrap_or(u64::MAX)))
}

/// Memory left by the tightest limit of this process's control groups (v2 or v1).
fn control_group_room() -> Option<u64> {
    let left = own_control_groups("memory").into_iter().filter_map(|group| {
        let (limit, usage) = match group.is_v2 {
            true => ("memory.max", "memory.current"),
            false => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        };
        let read = |file| group.read(file)?.trim().parse::<u64>().ok();
        Some(read(limit)?.saturating_sub(read(usage)?))
    });
    left.min()
}
