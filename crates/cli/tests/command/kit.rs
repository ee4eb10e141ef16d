//! A directory with files, and commands run in it under a watchdog. Each run must leave no
//! temporary file behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::geteuid;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_manyhands");

/// Long enough for a slow machine, since nothing but a hang comes near it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A directory for one test, with a place for temporary files beside it.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Dir {
        let dir = Dir(tempfile::tempdir().unwrap());
        fs::create_dir(dir.0.path().join("work")).unwrap();
        fs::create_dir(dir.0.path().join("temporary")).unwrap();
        dir
    }

    /// A directory with one file, `in.csv`.
    pub(crate) fn with(text: &str) -> Dir {
        Dir::new().file("in.csv", text)
    }

    /// Writes a file, and the directories it is in.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Dir {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("work").join(name)
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        match fs::read(self.path(name)) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => panic!("{name}: {error}; there are {:?}", self.names()),
        }
    }

    /// The names of all files, hidden ones too, sorted; but for what is noted beside outputs.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let root = self.path("");
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            // A test may have closed a directory.
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if !path.ends_with(".manyhands.jsonl") {
                    names.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        names
    }

    /// `manyhands` with arguments.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.command(arguments).run()
    }

    /// `manyhands clean` with arguments in a line, divided at spaces.
    pub(crate) fn clean(&self, line: &str) -> Outcome {
        self.run(["clean"].into_iter().chain(line.split_whitespace()))
    }

    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Run<'_> {
        // Whoever runs the tests may ignore a signal, and a command inherits that.
        let mut env = Command::new("/usr/bin/env");
        env.args(["--default-signal=INT,TERM,HUP,QUIT", PROGRAM]);
        self.prepare(env, arguments)
    }

    /// Lines of a shell that knows `manyhands`.
    pub(crate) fn shell(&self, lines: &str) -> Run<'_> {
        let programs = Path::new(PROGRAM).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", programs.display());
        self.prepare(Command::new("sh"), ["-c", lines]).env("PATH", &path)
    }

    /// `manyhands clean`, for which files' permissions hold even if root runs the tests.
    pub(crate) fn clean_unprivileged(&self, line: &str) -> Outcome {
        let arguments = ["clean"].into_iter().chain(line.split_whitespace());
        if !geteuid().is_root() {
            return self.run(arguments);
        }
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set", "-dac_override,-dac_read_search", PROGRAM]);
        self.prepare(setpriv, arguments).run()
    }

    pub(crate) fn prepare<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = S>,
    ) -> Run<'_> {
        command.args(arguments).current_dir(self.path(""));
        command.env("TMPDIR", self.0.path().join("temporary"));
        command.env_remove("NO_COLOR");
        Run { dir: self, command, input: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn assert_no_temporary_file(&self) {
        let left: Vec<_> = fs::read_dir(self.0.path().join("temporary")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let names = self.names();
        assert!(!names.iter().any(|name| name.contains(".tmp")), "{names:?}");
    }
}

/// A command that is about to run.
pub(crate) struct Run<'a> {
    dir: &'a Dir,
    pub(crate) command: Command,
    input: Vec<u8>,
}

impl Run<'_> {
    pub(crate) fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with standard input in pieces; see [`drip`].
    #[track_caller]
    pub(crate) fn drip(mut self, bytes: &[u8], sizes: &[usize]) -> Outcome {
        let mut child = self.start();
        let mut stdin = child.stdin.take().unwrap();
        let outcome = thread::scope(|scope| {
            scope.spawn(move || drip(&mut stdin, bytes, sizes));
            finish(child)
        });
        self.dir.assert_no_temporary_file();
        outcome
    }

    /// Starts it with all three streams piped.
    pub(crate) fn start(&mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().unwrap()
    }

    #[track_caller]
    pub(crate) fn run(mut self) -> Outcome {
        let mut child = self.start();
        let (mut stdin, input) = (child.stdin.take().unwrap(), self.input);
        // It may end without reading all.
        let writing = thread::spawn(move || drop(stdin.write_all(&input)));
        let outcome = finish(child);
        writing.join().unwrap();
        self.dir.assert_no_temporary_file();
        outcome
    }
}

/// Writes bytes to a pipe in pieces of these sizes, over and over: each when all before it was read.
/// It ends early if nobody reads any more.
pub(crate) fn drip(pipe: &mut (impl Write + AsFd), mut bytes: &[u8], sizes: &[usize]) {
    for size in sizes.iter().cycle() {
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        if pipe.write_all(piece).is_err() || rest.is_empty() {
            return;
        }
        bytes = rest;
        while rustix::io::ioctl_fionread(&*pipe).is_ok_and(|unread| unread > 0) {
            let mut reader = [PollFd::new(&*pipe, PollFlags::empty())];
            let now = Timespec { tv_sec: 0, tv_nsec: 20_000 };
            // No events are requested, so only the end of the reader ends this wait early.
            if poll(&mut reader, Some(&now)).is_ok_and(|ended| ended > 0) {
                return;
            }
        }
    }
}

/// Waits for a command and reads what is left of its output.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Outcome {
    let read = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            stream.map(|mut stream| stream.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let status = wait(&mut child);
    Outcome { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Its exit status, under the watchdog. One that a signal killed is minus that signal.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> i32 {
    let mut status = None;
    let ended = eventually(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        panic!("it did not end");
    }
    let status = status.unwrap();
    status.code().unwrap_or_else(|| -status.signal().unwrap())
}

/// Waits until something holds; false if it never does.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > WATCHDOG {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// The end of a command, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// It was done, and all on standard error is its summary.
    #[track_caller]
    pub(crate) fn done(&self) -> &Self {
        assert_eq!(self.status, 0, "{self:?}");
        assert!(!self.stderr.contains("error:"), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn status(&self, status: i32) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert_eq!(self.stdout, text, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says_nothing(&self) -> &Self {
        assert_eq!(self.stderr, "");
        self
    }
}

/// The path of a program of the system, if it is there.
pub(crate) fn is_there(path: &str) -> bool {
    Path::new(path).exists()
}

/// Notes that a test, or a part of one, cannot run here, and why. Its line joins those that `scripts/test` counts at
/// the end.
#[expect(clippy::print_stderr, reason = "it is a test that tells")]
pub(crate) fn skipped(what: &str) {
    eprintln!("skipped: {what}");
    if let Some(list) = std::env::var_os("SKIPPED") {
        let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(format!("1 test: {what}\n").as_bytes()).unwrap();
    }
}
