//! The progress bar: one line on standard error, if that is a terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manyhands::clean::Progress;

use crate::ui;

/// Interval in which the line is drawn; the job reports its progress more often.
const INTERVAL: Duration = Duration::from_millis(100);

/// A line that shows the progress of a job, and disappears when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    began: Instant,
    shown: Option<Instant>,
}

impl Bar {
    /// A bar that shows nothing if it is not `wanted` or standard error is not a terminal.
    pub(crate) fn new(wanted: bool) -> Bar {
        let visible = wanted && io::stderr().is_terminal();
        let target =
            if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{wide_msg}");
        bar.set_style(style.expect("the template is right"));
        Bar { bar, began: Instant::now(), shown: None }
    }

    pub(crate) fn show(&mut self, progress: &Progress) {
        let recently = self.shown.is_some_and(|shown| shown.elapsed() < INTERVAL);
        if self.bar.is_hidden() || recently {
            return;
        }
        self.shown = Some(Instant::now());
        let width = ui::width(io::stderr());
        self.bar.set_message(line(progress, self.began.elapsed().as_secs_f64(), width));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The line, narrower than the terminal. If there is no room, the least important parts are left out first;
/// the part that stays longest shows how far the job is.
fn line(progress: &Progress, seconds: f64, width: usize) -> String {
    let share = if progress.bytes == 0 {
        None
    } else {
        Some((progress.bytes_done as f64 / progress.bytes as f64).clamp(0.0, 1.0))
    };
    // In the order in which they are shown, each with its rank.
    let mut parts: Vec<(u8, String)> = Vec::new();
    if let Some(share) = share {
        parts.push((0, format!("{}%", (share * 100.0) as u32)));
    }
    parts.push((2, format!("{}/{} files", progress.files_done, progress.files)));
    let bytes = match share {
        Some(_) => {
            let (done, unit) = scaled(progress.bytes_done, progress.bytes);
            let (all, _) = scaled(progress.bytes, progress.bytes);
            format!("{done}/{all} {unit}")
        }
        None => {
            let (done, unit) = scaled(progress.bytes_done, progress.bytes_done);
            format!("{done} {unit}")
        }
    };
    parts.push((3, bytes));
    if seconds > 0.0 && progress.rows > 0 {
        parts.push((4, format!("{} rows/s", short((progress.rows as f64 / seconds) as u64))));
    }
    // While workers start, the estimate would be hours.
    if let Some(share) = share
        && share > 0.0
        && seconds >= 1.0
    {
        parts.push((1, format!("{} left", duration(seconds / share - seconds))));
    }
    let room = width.saturating_sub(1);
    let joined = |parts: &[(u8, String)]| {
        parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("  ")
    };
    while parts.len() > 1 && joined(&parts).len() > room {
        let least = parts.iter().map(|(rank, _)| *rank).max();
        parts.retain(|(rank, _)| Some(*rank) != least);
    }
    let mut text = joined(&parts);
    text.truncate(room);
    // A bar in the remaining room, if it is wide enough to be useful.
    let left = room.saturating_sub(text.len() + 4).min(40);
    match share {
        Some(share) if left >= 8 => {
            let full = (share * left as f64) as usize;
            format!("[{}{}]  {text}", "#".repeat(full), ".".repeat(left - full))
        }
        _ => text,
    }
}

/// Bytes in the unit that fits `all` of them.
fn scaled(bytes: u64, all: u64) -> (String, &'static str) {
    const UNITS: [(u64, &str); 5] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
        (1, "B"),
    ];
    let (size, unit) = UNITS.into_iter().find(|(size, _)| all >= *size).unwrap_or((1, "B"));
    let decimals = usize::from(size > 1);
    (format!("{:.decimals$}", bytes as f64 / size as f64), unit)
}

/// A number in at most five characters, for a rate that changes all the time.
fn short(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// A duration in seconds, minutes or hours, at most two of them.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(files: (usize, usize), bytes: (u64, u64), rows: u64) -> Progress {
        let mut progress = Progress::default();
        (progress.files_done, progress.files) = files;
        (progress.bytes_done, progress.bytes) = bytes;
        progress.rows = rows;
        progress
    }

    #[test]
    fn it_says_files_bytes_rows_and_time() {
        let one = progress((3, 400), (250_000_000, 1_000_000_000), 5_000_000);
        assert_eq!(
            line(&one, 2.0, 80),
            "[######..................]  25%  3/400 files  0.2/1.0 GB  2.5M rows/s  6 s left"
        );
        let unknown = progress((0, 1), (1_500_000, 0), 9_000);
        assert_eq!(line(&unknown, 1.0, 80), "0/1 files  1.5 MB  9000 rows/s");
    }

    #[test]
    fn a_narrow_line_keeps_percent_and_time_left() {
        let one = progress((3, 400), (250_000_000, 1_000_000_000), 5_000_000);
        assert_eq!(line(&one, 2.0, 40), "25%  3/400 files  0.2/1.0 GB  6 s left");
        assert_eq!(line(&one, 2.0, 30), "25%  3/400 files  6 s left");
        assert_eq!(line(&one, 2.0, 16), "25%  6 s left");
        let largest = progress((99_999, 100_000), (u64::MAX / 2, u64::MAX), u64::MAX);
        let line = line(&largest, 1e6, 40);
        assert!(line.contains('%') && line.contains("left"), "{line}");
    }

    #[test]
    fn it_never_fills_the_line() {
        let largest = progress((99_999, 100_000), (u64::MAX / 2, u64::MAX), u64::MAX);
        let first = progress((0, 1), (0, 10), 0);
        for one in [largest, first] {
            for seconds in [0.0, 0.1, 1e9] {
                for width in 0..200 {
                    let line = line(&one, seconds, width);
                    assert!(line.len() <= width.saturating_sub(1), "{width}: {line}");
                }
            }
        }
        assert!(line(&largest, 10.0, 80).contains("left"));
    }
}
