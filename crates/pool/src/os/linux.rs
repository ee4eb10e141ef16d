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

/// A bell: what one process writes to, to wake another that polls it. An eventfd.
pub(crate) fn bell() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

pub(crate) fn notify(bell: impl AsFd) {
    // A full counter wakes the sleeper as well, and nothing else can fail.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// Whether this process may have so many more descriptors, by duplicates of a bell.
pub(crate) fn has_room(bell: &OwnedFd, count: usize) -> bool {
    (0..count).map(|_| bell.try_clone()).collect::<io::Result<Vec<_>>>().is_ok()
}

/// A cold bell: a bell whose reader may run on the core of the writer. A pipe: the ends to read and to write.
pub(crate) fn cold_bell() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// Takes the notifications out of a bell, which is silent until the next.
pub(crate) fn drain(bell: impl AsFd) {
    let _ = rustix::io::read(bell, &mut [0; 64]);
}

/// Sleeps until one of `fds` is readable or hung up, or `limit` is over; gives which are.
pub(crate) fn poll<const N: usize>(fds: &[BorrowedFd<'_>; N], limit: Duration) -> [bool; N] {
    let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    // An interrupted poll is a wake-up for no reason, which callers expect.
    let ready = rustix::event::poll(&mut polled, Some(&timespec(limit))).is_ok();
    polled.map(|fd| ready && !fd.revents().is_empty())
}

/// What the hub sleeps on: any number of descriptors, each with a number of its own.
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

    /// The numbers of what is readable; empty after `limit`, or for no reason.
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

    /// Fires once, at `instant` or at once if it has passed.
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

/// Two joined sockets that keep the bounds of messages.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// The most descriptors that one message carries.
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// Sends one message with descriptors. With `wait`, it waits while the receiver is behind;
/// without, that is `WouldBlock`.
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

/// Receives one message: its bytes go into `bytes`, its descriptors to the end of `descriptors`,
/// fewer than were sent if this process has no room for more. Gives the length, zero if the other
/// end is closed. Without `wait`, nothing there is `WouldBlock`.
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

/// What names a living process for good, and becomes readable when it dies.
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(to_pid(pid)?, PidfdFlags::empty())?)
}

fn to_pid(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such process number"))
}

/// How a signal that ends a process is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It may clean up.
    Terminate,
    /// It ends now.
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

/// Signals one process that is known not to have been reaped.
pub(crate) fn end(pidfd: impl AsFd, how: Ending) {
    let _ = rustix::process::pidfd_send_signal(pidfd, how.signal());
}

/// Signals everything that descends from `pid`, as far as `/proc` still shows the line of descent.
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

/// The children of a process, as each of its threads has them; `None` if it is gone.
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
            // A kernel without such lists (CONFIG_PROC_CHILDREN).
            Err(_) if thread.path().exists() => return Some(children_by_parent(pid)),
            Err(_) => {}
        }
    }
    Some(found)
}

/// The children of a process, found among all processes.
fn children_by_parent(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |pid: &u32| {
        // Bytes: a process may name itself in any.
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        // After the name in parentheses: the state, then the parent.
        let field = stat.rfind(')').and_then(|end| stat[end + 1..].split_ascii_whitespace().nth(1));
        field.and_then(|field| field.parse().ok()) == Some(parent)
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

/// Whether a process was stopped, by a signal or by a debugger.
pub(crate) fn is_stopped(pid: u32) -> bool {
    // Bytes: a process may name itself in any.
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.iter().rposition(|byte| *byte == b')');
    end.and_then(|end| stat.get(end + 2)).is_some_and(|state| matches!(state, b'T' | b't'))
}

/// Reaps a child, and gives how it ended; `None` if it has not.
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
        // Somebody else reaped it.
        Err(_) => Some(Exit::Unknown),
    }
}

/// The memory of a process that is its own, in bytes: anonymous pages in use and swapped out. Those that
/// a fork shares until one of both writes count for both.
pub(crate) fn private_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse().ok()
    };
    Some((kib("RssAnon:")? + kib("VmSwap:").unwrap_or(0)) << 10)
}

/// Lets this thread, and those it starts, run on these processors only.
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

/// The processors this thread may run on.
pub(crate) fn affinity() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect()
}

/// Makes standard input the null device.
pub(crate) fn close_stdin() -> io::Result<()> {
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(())
}

/// Reads what is there now, without waiting; `None` at the end.
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

/// Writes all of it to standard error, as far as that takes it.
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

/// Nanoseconds on a clock that all processes of the machine share.
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

/// Makes writing to a closed pipe an error, as Rust's `main` does (a worker may have been started
/// before that), and so writing beyond a limit of file sizes.
pub(crate) fn survive_failed_writes() -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // Programs that tasks start would inherit that it is ignored; a handler they do not.
        if matches!(disposition(signal)?, libc::SIG_DFL | libc::SIG_IGN) {
            handle_with_nothing(signal)?;
        }
    }
    Ok(())
}

/// Makes sure that this process lives, and runs, for the moment that it takes to kill its
/// descendants when its parent dies, and that it can find them then.
pub(crate) fn outlive_parent() -> io::Result<()> {
    // If it is stopped, this continues it. It is told of the death of the thread that launched
    // it, which lives as long as the pool.
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    // The kernel hangs up a stopped group whose last outside parent died.
    if disposition(libc::SIGHUP)? == libc::SIG_DFL {
        handle_with_nothing(libc::SIGHUP)?;
    }
    // Descendants whose own parents died become children of this process.
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Whether this process's session has a terminal.
pub(crate) fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// Takes a worker's place among the groups of processes.
///
/// In a terminal it stays in the group of the user's program: both are stopped and continued together, and tasks may use
/// the terminal. Ctrl-C is for the program alone. Elsewhere the worker leads a group, by which the processes that a task
/// started end with a worker that is killed.
pub(crate) fn take_place() -> io::Result<()> {
    if has_terminal() {
        return super::terminal::ignore_keys();
    }
    // It fails for the leader of a session, which leads a group already.
    let _ = rustix::process::setpgid(None, None);
    Ok(())
}

/// Ends this process and everything that descends from it or belongs to the group it leads.
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
    fn both_ways_to_find_children_find_the_same() {
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
