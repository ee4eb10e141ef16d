//! Measures what a task costs. Prints one row per figure as a table for `bench/README.md`; each
//! answer is checked first.
//!
//! `cargo bench -p manyhands --bench pool`. The pipe for comparison connects two processes of this
//! program, in the same run.

#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use manyhands::{Pool, SharedArray};
use rustix::process::{Pid, Signal, kill_process};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn no_op(x: u64) -> u64 {
    x
}

fn heavy(x: u64) -> f64 {
    (0..1_000_000).map(|i| ((i + x) as f64).sqrt()).sum()
}

fn first(array: SharedArray<u8>) -> u8 {
    array.get(0)
}

fn main() -> Result<()> {
    manyhands::init();
    if std::env::args().nth(1).as_deref() == Some("--pipe-echo") {
        return echo();
    }
    println!("| what | reached | to reach |\n|---|---|---|");
    call_and_wait()?;
    maps()?;
    arrays()?;
    starting()?;
    dying()?;
    deadlines()?;
    speed_up()?;
    memory()?;
    Ok(())
}

fn row(what: &str, reached: String, to_reach: &str) {
    println!("| {what} | {reached} | {to_reach} |");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(run: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let value = run()?;
    Ok((start.elapsed(), value))
}

/// Runs a measurement several times and returns the median.
fn often(times: usize, mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    Ok(median((0..times).map(|_| run()).collect::<Result<_>>()?))
}

fn echo() -> Result<()> {
    let (mut input, mut output) = (std::io::stdin(), std::io::stdout());
    let mut bytes = [0; 8];
    while input.read_exact(&mut bytes).is_ok() {
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(())
}

/// Another process that echoes its input.
struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Pipe {
    fn new() -> Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg("--pipe-echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Pipe { child, input, output: output.ok_or("no pipe")? })
    }

    fn ping(&mut self, number: u64) -> Result<Duration> {
        let start = Instant::now();
        let mut bytes = number.to_le_bytes();
        self.input.as_mut().ok_or("no pipe")?.write_all(&bytes)?;
        self.output.read_exact(&mut bytes)?;
        assert_eq!(u64::from_le_bytes(bytes), number);
        Ok(start.elapsed())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

fn call_and_wait() -> Result<()> {
    const ROUNDS: u64 = 200_000;
    let pool = Pool::builder().workers(2).build()?;
    let mut pipe = Pipe::new()?;
    let ping_pool = |number| -> Result<Duration> {
        let start = Instant::now();
        assert_eq!(pool.submit(no_op, number)?.wait()?, number);
        Ok(start.elapsed())
    };
    pool.map(no_op, 0..10_000)?;
    let each = often(5, || {
        let (time, ()) = timed(|| (0..ROUNDS).try_for_each(|number| ping_pool(number).map(drop)))?;
        Ok(time / ROUNDS as u32)
    })?;
    let pipe_each = often(5, || {
        let (time, ()) = timed(|| (0..20_000).try_for_each(|number| pipe.ping(number).map(drop)))?;
        Ok(time / 20_000)
    })?;
    row(
        "submit and wait for a no-op, in a loop",
        format!("{each:.2?} (a pipe ping-pong: {pipe_each:.2?})"),
        "≤ 5 µs",
    );
    let (mut of_pool, mut of_pipe) = (Vec::new(), Vec::new());
    for number in 0..300 {
        sleep(Duration::from_millis(10));
        of_pool.push(ping_pool(number)?);
        sleep(Duration::from_millis(10));
        of_pipe.push(pipe.ping(number)?);
    }
    let (of_pool, of_pipe) = (median(of_pool), median(of_pipe));
    row(
        "the same after 10 ms of quiet, against a pipe ping-pong after 10 ms of quiet",
        format!(
            "{of_pool:.1?} against {of_pipe:.1?}: {:.2} ×",
            of_pool.as_secs_f64() / of_pipe.as_secs_f64()
        ),
        "≤ 1.3 ×",
    );
    Ok(())
}

fn maps() -> Result<()> {
    const TASKS: u64 = 1_000_000;
    let pool = Pool::builder().workers(2).build()?;
    pool.map(no_op, 0..10_000)?;
    let map = |what: &str, size: Option<usize>, to_reach: &str| -> Result<()> {
        let time = often(5, || {
            let call = pool.call();
            let call = size.map_or(call.clone(), |size| call.chunk_size(size));
            let (time, results) = timed(|| Ok(call.map(no_op, 0..TASKS)?))?;
            assert!(results.into_iter().eq(0..TASKS));
            Ok(time)
        })?;
        let each = time.as_secs_f64() * 1e6 / TASKS as f64;
        row(what, format!("{each:.3} µs"), to_reach);
        Ok(())
    };
    map("1,000,000 no-op tasks by `map`, default chunks, 2 workers, each", None, "≤ 0.15 µs")?;
    map("the same with `chunk_size(1)`", Some(1), "≤ 1.5 µs")
}

fn arrays() -> Result<()> {
    let pool = Pool::builder().workers(1).build()?;
    let arrays = [64, 64 << 20].map(|len| SharedArray::<u8>::zeros(&[len]));
    let [small, large] = arrays.map(|array| array.inspect(|array| array.set(0, 9)));
    let (small, large) = (small?, large?);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..2_000 {
        for (array, times) in [&small, &large].into_iter().zip(&mut times) {
            let (time, value) = timed(|| Ok(pool.submit(first, array.clone())?.wait()?))?;
            assert_eq!(value, 9);
            times.push(time);
        }
    }
    let [small, large] = times.map(median);
    row(
        "a `SharedArray` as argument, 64 MB against 64 B",
        format!(
            "{large:.2?} against {small:.2?}: {:.2} ×",
            large.as_secs_f64() / small.as_secs_f64()
        ),
        "within 20 %",
    );
    Ok(())
}

fn starting() -> Result<()> {
    let time = often(21, || {
        let (time, pool) = timed(|| {
            let pool = Pool::builder().workers(2).build()?;
            assert_eq!(pool.submit(no_op, 5)?.wait()?, 5);
            Ok(pool)
        })?;
        pool.shutdown();
        Ok(time)
    })?;
    row("pool of 2 from `new` to first result", format!("{time:.2?}"), "≤ 10 ms");
    Ok(())
}

fn dying() -> Result<()> {
    let pool = Pool::builder().workers(1).build()?;
    let pid = || -> Result<u32> { Ok(pool.submit(|()| std::process::id(), ())?.wait()?) };
    let time = often(21, || {
        let before = pid()?;
        let raw = Pid::from_raw(before.cast_signed()).ok_or("no process")?;
        let (time, after) = timed(|| {
            kill_process(raw, Signal::KILL)?;
            pid()
        })?;
        assert_ne!(before, after);
        Ok(time)
    })?;
    row("killed worker to first result of its replacement", format!("{time:.2?}"), "≤ 20 ms");
    Ok(())
}

fn deadlines() -> Result<()> {
    let pool = Pool::builder().workers(2).build()?;
    let deadline = Duration::from_millis(50);
    let overshoot = often(41, || {
        let nap = |seconds: u64| sleep(Duration::from_secs(seconds));
        let future = pool.call().deadline(deadline).submit(nap, 100)?;
        let (time, result) = timed(|| Ok(future.wait()))?;
        assert!(result.is_err_and(|error| error.is_timeout()));
        Ok(time.saturating_sub(deadline))
    })?;
    row(
        "a task past its deadline: overshoot until its future fails, median",
        format!("{overshoot:.2?}"),
        "≤ 10 ms",
    );
    Ok(())
}

fn speed_up() -> Result<()> {
    let pool = Pool::builder().workers(2).build()?;
    pool.map(no_op, 0..1_000)?;
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let (serial, expected) = timed(|| Ok((0..500).map(heavy).collect::<Vec<_>>()))?;
        let (parallel, sums) = timed(|| Ok(pool.map(heavy, 0..500)?))?;
        assert_eq!(sums, expected);
        ratios.push(serial.as_secs_f64() / parallel.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    row("`heavy_compute` on 2 workers against serial", format!("{:.2} ×", ratios[1]), "≥ 1.85 ×");
    Ok(())
}

/// Private memory of this process in KiB.
fn private_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    Ok(line.ok_or("no RssAnon")?.trim().trim_end_matches(" kB").parse()?)
}

fn memory() -> Result<()> {
    const TASKS: u64 = 10_000_000;
    let pool = Pool::builder().workers(2).build()?;
    let mut sum = 0;
    let mut samples = Vec::new();
    for (place, result) in pool.imap(no_op, 0..TASKS)?.enumerate() {
        sum += result?;
        if (place as u64 + 1).is_multiple_of(TASKS / 10) {
            samples.push(private_memory()?);
        }
    }
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    let mib = |kib: u64| kib as f64 / 1024.0;
    row(
        "memory of the parent while mapping 10,000,000 lazy inputs",
        format!(
            "{:.1} MiB after 1,000,000, {:.1} after 10,000,000, at most {:.1}",
            mib(samples[0]),
            mib(samples[9]),
            mib(samples.iter().copied().max().unwrap_or(0))
        ),
        "flat",
    );
    Ok(())
}
