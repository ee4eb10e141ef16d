//! Linux: eventfd, epoll, timerfd, pidfd, passed descriptors, `/proc` and control groups.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

use super::handlers::{disposition, handle_with_nothing};
use crate::launch::Exit;

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().min(1 << 40) as _, tv_nsec: time.subsec_nanos() as _ }
}

/// A bell: a descriptor that one process writes to in order to wake another that polls it. An
/// eventfd.
pub(crate) fn bell() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

pub(crate) fn notify(bell: impl AsFd) {
    // A full counter wakes the sleeper as well; no other error is possible.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// True if this process can open `count` more descriptors; tried with duplicates of a bell.
pub(crate) fn has_room(bell: &OwnedFd, count: usize) -> bool {
    (0..count).map(|_| bell.try_clone()).collect::<io::Result<Vec<_>>>().is_ok()
}

/// A cold bell: a pipe, whose reader may run on the core of the writer. Returns its read and write
/// ends.
pub(crate) fn cold_bell() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// Reads the notifications of a bell, so that it is not readable until the next one.
pub(crate) fn drain(bell: impl AsFd) {
    let _ = rustix::io::read(bell, &mut [0; 64]);
}

/// Sleeps until one of `fds` is readable or hung up, or until `limit` is over; returns which of
/// them are ready.
pub(crate) fn poll<const N: usize>(fds: &[BorrowedFd<'_>; N], limit: Duration) -> [bool; N] {
    let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    // An interrupted poll is a spurious wake-up, which callers expect.
    let ready = rustix::event::poll(&mut polled, Some(&timespec(limit))).is_ok();
    polled.map(|fd| ready && !fd.revents().is_empty())
}

/// Waits for any number of descriptors, each under a number. The hub sleeps on it.
pub(crate) struct Poller(OwnedFd);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Poller(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub(crate) fn add(&self, fd: impl AsFd, number: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?)
    }

    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.0, fd);
    }

    /// Returns the numbers of the readable descriptors; none after `limit` or after a spurious
    /// wake-up.
    pub(crate) fn wait(&self, limit: Duration, ready: &mut Vec<u64>) {
        ready.clear();
        let mut events = Vec::with_capacity(32);
        let room = rustix::buffer::spare_capacity(&mut events);
        if epoll::wait(&self.0, room, Some(&timespec(limit))).is_ok() {
            ready.extend(events.iter().map(|event| event.data.u64()));
        }
    }
}

/// A timer that becomes readable.
pub(crate) struct Timer(OwnedFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Timer(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// Makes the timer fire once, at `instant`, or at once if that has passed.
    pub(crate) fn set(&self, instant: Instant) {
        let left = instant.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let value = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(left) };
        let _ = rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &value);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Two connected sockets that preserve message boundaries.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Maximum number of descriptors in one message.
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// Sends one message with descriptors. With `wait`, waits until the receiver has room; without, a
/// full socket is the error `WouldBlock`.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
        assert!(fits, "at most {MAX_DESCRIPTORS} descriptors go with a message");
    }
    let mut flags = SendFlags::NOSIGNAL;
    if !wait {
        flags |= SendFlags::DONTWAIT;
    }
    retry(|| rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags))?;
    Ok(())
}

/// Receives one message. Its bytes go into `bytes`; its descriptors are appended to `descriptors`,
/// fewer than were sent if this process has no room for more. Returns the length, 0 if the other
/// end is closed. Without `wait`, an empty socket is the error `WouldBlock`.
pub(crate) fn receive(
    socket: impl AsFd,
    bytes: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    wait: bool,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if !wait {
        flags |= RecvFlags::DONTWAIT;
    }
    let received = retry(|| {
        rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(bytes)], &mut control, flags)
    })?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(received.bytes)
}

/// A descriptor of a living process that always means this process and becomes readable when it
/// dies.
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(to_pid(pid)?, PidfdFlags::empty())?)
}

fn to_pid(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such process number"))
}

/// The way in which a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It may clean up first.
    Terminate,
    /// It ends at once.
    Kill,
}

impl Ending {
    fn signal(self) -> Signal {
        match self {
            Ending::Terminate => Signal::TERM,
            Ending::Kill => Signal::KILL,
        }
    }
}

/// Signals the process group that `leader` leads, if it leads one.
pub(crate) fn end_group(leader: u32, how: Ending) {
    if let Ok(pid) = to_pid(leader) {
        let _ = rustix::process::kill_process_group(pid, how.signal());
    }
}

/// Signals one process that has certainly not been reaped.
pub(crate) fn end(pidfd: impl AsFd, how: Ending) {
    let _ = rustix::process::pidfd_send_signal(pidfd, how.signal());
}

/// Signals all descendants of `pid` that `/proc` still shows.
pub(crate) fn end_descendants(pid: u32, how: Ending) {
    for descendant in descendants(pid) {
        if let Ok(descendant) = to_pid(descendant) {
            let _ = rustix::process::kill_process(descendant, how.signal());
        }
    }
}

/// The living descendants of `pid`, parents before children.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid).unwrap_or_default();
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let below = children(*parent).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found
}

/// The children of a process, collected from its threads; `None` if the process is gone.
fn children(pid: u32) -> Option<Vec<u32>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => {
                found.extend(
                    list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
            // The kernel has no such lists (CONFIG_PROC_CHILDREN).
            Err(_) if thread.path().exists() => return Some(children_by_parent(pid)),
            Err(_) => {}
        }
    }
    Some(found)
}

/// The children of a process, found by a walk over all processes.
fn children_by_parent(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |pid: &u32| {
        // Bytes, since a process name may contain any.
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        // The name in parentheses is followed by the state, then the parent.
        let field = stat.rfind(')').and_then(|end| stat[end + 1..].split_ascii_whitespace().nth(1));
        field.and_then(|field| field.parse().ok()) == Some(parent)
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

/// True if a process is stopped, by a signal or by a debugger.
pub(crate) fn is_stopped(pid: u32) -> bool {
    // Bytes, since a process name may contain any.
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.iter().rposition(|byte| *byte == b')');
    end.and_then(|end| stat.get(end + 2)).is_some_and(|state| matches!(state, b'T' | b't'))
}

/// Reaps a child and returns how it exited; `None` if it has not.
pub(crate) fn reap(pidfd: impl AsFd) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options);
    match status {
        Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        }),
        Ok(None) | Err(Errno::INTR) => None,
        // Another thread or process reaped it.
        Err(_) => Some(Exit::Unknown),
    }
}

/// Private memory of a process in bytes: anonymous pages in use and swapped out. Pages that a fork
/// shares until one side writes count for both processes.
pub(crate) fn private_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse().ok()
    };
    Some((kib("RssAnon:")? + kib("VmSwap:").unwrap_or(0)) << 10)
}

/// Restricts this thread, and the threads that it starts, to these processors.
pub(crate) fn set_affinity(processors: &[usize]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for processor in processors {
        if *processor >= rustix::thread::CpuSet::MAX_CPU {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such processor"));
        }
        set.set(*processor);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// The processors that this thread may run on.
pub(crate) fn affinity() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect()
}

/// Replaces standard input by the null device.
pub(crate) fn close_stdin() -> io::Result<()> {
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(())
}

/// Reads what is available without waiting; `None` at the end of the pipe.
pub(crate) fn read_now(pipe: impl AsFd, bytes: &mut [u8]) -> Option<usize> {
    match rustix::io::read(pipe, bytes) {
        Ok(0) => None,
        Ok(len) => Some(len),
        Err(Errno::AGAIN | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}

pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Writes to standard error until everything is written or an error occurs.
pub(crate) fn write_stderr(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), bytes) {
            Ok(0) => return,
            Ok(len) => bytes = &bytes[len..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut polled =
                    [PollFd::from_borrowed_fd(rustix::stdio::stderr(), PollFlags::OUT)];
                let _ = rustix::event::poll(&mut polled, None);
            }
            Err(_) => return,
        }
    }
}

/// Nanoseconds on a clock that is the same for all processes of the machine.
pub(crate) fn now_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Sleeps until the process of `pidfd` has died or the other end of `socket` is closed.
pub(crate) fn wait_for_parent_to_go(pidfd: BorrowedFd<'_>, socket: BorrowedFd<'_>) {
    loop {
        let mut polled = [
            PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(socket, PollFlags::RDHUP),
        ];
        if rustix::event::poll(&mut polled, None).is_ok()
            && polled.iter().any(|fd| !fd.revents().is_empty())
        {
            return;
        }
    }
}

/// Turns writes to a closed pipe, and writes beyond a file size limit, into errors. Rust's `main`
/// does the former, but a worker may have been started without it.
pub(crate) fn survive_failed_writes() -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // Programs that tasks start would inherit an ignored signal; they do not inherit a handler.
        if matches!(disposition(signal)?, libc::SIG_DFL | libc::SIG_IGN) {
            handle_with_nothing(signal)?;
        }
    }
    Ok(())
}

/// Makes sure that this process can find and kill its descendants after its parent has died, and
/// that it runs for that moment.
pub(crate) fn outlive_parent() -> io::Result<()> {
    // Continues this process if it is stopped. The signal comes when the thread that launched it
    // dies, which lives as long as the pool.
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    // The kernel sends SIGHUP to a stopped group when its last parent outside the group dies.
    if disposition(libc::SIGHUP)? == libc::SIG_DFL {
        handle_with_nothing(libc::SIGHUP)?;
    }
    // Descendants whose own parents have died become children of this process.
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// True if this process's session has a terminal.
pub(crate) fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// Chooses the process group of a worker.
///
/// In a terminal, the worker stays in the group of the user's program, so both are stopped and
/// continued together and tasks may use the terminal; Ctrl-C reaches the program alone. Elsewhere
/// the worker leads a group of its own, so that processes started by a task are killed together
/// with the worker.
pub(crate) fn choose_process_group() -> io::Result<()> {
    if has_terminal() {
        return super::terminal::ignore_keys();
    }
    // It fails for the leader of a session, which already leads a group.
    let _ = rustix::process::setpgid(None, None);
    Ok(())
}

/// Ends this process, its descendants, and the group that it leads.
pub(crate) fn end_self() -> ! {
    let own = std::process::id();
    end_descendants(own, Ending::Kill);
    if rustix::process::getpgrp() == rustix::process::getpid() {
        end_group(own, Ending::Kill);
    }
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_find_children_agree() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let own = std::process::id();
        assert!(children(own).unwrap().contains(&child.id()));
        assert!(children_by_parent(own).contains(&child.id()));
        assert!(descendants(own).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(children(child.id()), None);
    }
}
