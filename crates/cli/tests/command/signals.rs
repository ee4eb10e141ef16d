//! Signals at any moment of a job, to the command or to a worker of it, and then the job again: what comes of it is
//! what an undisturbed run makes.
//!
//! A moment is a number of calls that read or write which the command has made, of those that an undisturbed run makes:
//! from before it knows its arguments until its last output has its name. `MANYHANDS_ROUNDS=50 cargo test -p
//! manyhands-cli --all-features --test command -- signals` tries each kind of disturbance so many times.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::cases::files;
use crate::ending::children;
use crate::kit::{Dir, eventually, finish, is_there};

const SIGNALS: [Signal; 5] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL];

/// The process that gets a signal.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Command,
    Worker,
}

/// A job, and how it is done again.
struct Job {
    arguments: &'static str,
    again: &'static str,
}

impl Job {
    /// Starts it, as a terminal would; whoever runs the tests may have other signals ignored.
    fn start(&self, dir: &Dir) -> Child {
        let env = "exec env --default-signal=INT,TERM,HUP,QUIT";
        let mut child = dir.shell(&format!("{env} manyhands clean {}", self.arguments)).start();
        drop(child.stdin.take());
        child
    }

    fn again(&self, dir: &Dir) {
        let line = format!("manyhands clean {} {}", self.arguments, self.again);
        dir.shell(&line).run().status(0);
    }
}

fn inputs() -> Dir {
    let rows: String = (0..2000).map(|row| format!("{row},{}\n", row % 7)).collect();
    (0..12).fold(Dir::new(), |dir, file| {
        dir.file(&format!("in/{file}.csv"), format!("id,v\n{rows}{file},x\n"))
    })
}

fn one_big_input() -> Dir {
    let rows: String = (0..500_000).map(|row| format!("{row},{}\n", row % 7)).collect();
    Dir::new().file("in.csv", format!("id,v\n{rows}1,x\n"))
}

fn random(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

/// Number of calls of a process that read or write.
fn calls(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    let of = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    of("syscr:").unwrap_or(0) + of("syscw:").unwrap_or(0)
}

/// Waits until a command has made so many calls, or has ended; gives how many it had made.
fn wait_for_calls(child: &mut Child, wanted: u64) -> u64 {
    let mut made = 0;
    let mut is_due = || {
        made = made.max(calls(child));
        made >= wanted || child.try_wait().unwrap().is_some()
    };
    // Polls many times between two sleeps, since the moment is short.
    assert!(eventually(|| (0..1000).any(|_| is_due())));
    made
}

/// All files besides the inputs.
fn made(dir: &Dir) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut made = files(&dir.path(""));
    made.retain(|name, _| !name.starts_with("in") && !name.starts_with("in.csv"));
    made
}

/// Sends a signal at a moment; sees how the job ends, and does it again.
fn disturb(
    job: &Job,
    inputs: fn() -> Dir,
    expected: &BTreeMap<PathBuf, Vec<u8>>,
    (whom, with, moment): (Whom, Signal, u64),
) {
    let dir = inputs();
    let mut child = job.start(&dir);
    wait_for_calls(&mut child, moment);
    let workers = children(&child);
    let pid = match whom {
        Whom::Command => Some(Pid::from_child(&child)),
        Whom::Worker if workers.is_empty() => None,
        Whom::Worker => {
            let worker = workers[random(workers.len() as u64) as usize];
            Pid::from_raw(worker.cast_signed())
        }
    };
    // It may be gone already.
    pid.map(|pid| kill_process(pid, with));
    let outcome = finish(child);
    assert!(eventually(|| workers.iter().all(|id| !is_there(&format!("/proc/{id}")))));

    let number = with.as_raw();
    let allowed = match whom {
        // Killed before it had a handler; ended by the handler; done before the signal.
        Whom::Command => vec![-number, 128 + number, 0],
        Whom::Worker => vec![0],
    };
    assert!(allowed.contains(&outcome.status), "{outcome:?}");
    if outcome.status != -number {
        dir.assert_no_temporary_file();
    }
    // A file under its final name is complete; standard output has a beginning of the rows.
    for (name, bytes) in made(&dir) {
        let is_draft = outcome.status == -number && !expected.contains_key(&name);
        let whole = expected.get(&name).is_some_and(|whole| match name.ends_with("printed") {
            true => whole.starts_with(&bytes),
            false => *whole == bytes,
        });
        assert!(is_draft || whole, "{} is not whole", name.display());
    }
    job.again(&dir);
    assert_eq!(made(&dir).keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in made(&dir) {
        assert!(expected[&name] == bytes, "{} is another", name.display());
    }
}

/// All signals to all, each at some moment, which the harness shows if a test fails.
#[allow(clippy::print_stderr)]
fn disturb_at_any_moment(arguments: &'static str, again: &'static str, inputs: fn() -> Dir) {
    let job = Job { arguments, again };
    let dir = inputs();
    let mut child = job.start(&dir);
    let all = wait_for_calls(&mut child, u64::MAX);
    finish(child).done();
    let expected = made(&dir);
    assert!(!expected.is_empty());
    let rounds = std::env::var("MANYHANDS_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        for with in SIGNALS {
            for whom in [Whom::Command, Whom::Worker] {
                let moment = random(all + 1);
                eprintln!("{with:?} to the {whom:?} after {moment} of {all} calls");
                disturb(&job, inputs, &expected, (whom, with, moment));
            }
        }
    }
}

#[test]
fn a_directory_is_completed_after_any_signal_at_any_moment() {
    disturb_at_any_moment("in -o out --types v=integer --rejects bad", "--resume", inputs);
}

#[cfg(feature = "parquet")]
#[test]
fn a_directory_of_parquet_is_completed_after_any_signal_at_any_moment() {
    disturb_at_any_moment("in -o out --format parquet --types v=integer", "--resume", inputs);
}

#[test]
fn one_output_for_all_is_whole_or_absent_after_any_signal_at_any_moment() {
    disturb_at_any_moment("in -o all.csv.gz --concat --types v=integer", "--force", inputs);
}

#[test]
fn standard_output_has_the_beginning_after_any_signal_at_any_moment() {
    disturb_at_any_moment("in -o - --concat --derive w=v+1 --on-bad null >printed", "", inputs);
}

#[test]
fn a_big_file_with_several_passes_is_whole_or_absent_after_any_signal_at_any_moment() {
    let arguments = "in.csv -o out.csv --derive 'w = v / sum(v)'";
    disturb_at_any_moment(arguments, "--force", one_big_input);
}
