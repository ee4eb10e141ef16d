//! Tests of a store over a database that is slow, locked, failing or gone, at every step of a transaction.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use super::*;
use crate::Progress;

fn plain(rows: Vec<u8>) -> Batch {
    Batch::new([rows, vec![0; 4]].concat(), 0).unwrap()
}

/// The steps of a transaction of two blocks.
const STEPS: usize = 4;

/// The event of a step.
type Trouble = Box<dyn FnMut(usize) -> Result<(), DatabaseError> + Send>;

/// The contents of the table, and whether the connection was closed.
#[derive(Default)]
struct Known {
    rows: Vec<Vec<u8>>,
    is_closed: bool,
}

/// A database in memory. The first file meets trouble; the steps are begin, block, block, commit.
struct Stub {
    known: Arc<Mutex<Known>>,
    trouble: Option<Trouble>,
    cancel: Option<Sender<()>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.known.lock().unwrap().is_closed = true;
    }
}

impl Database for Stub {
    fn cancel(&self) -> Cancel {
        let cancel = self.cancel.clone();
        Box::new(move || {
            let _ = cancel.as_ref().map(|cancel| cancel.send(()));
        })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError> {
        Ok(Vec::new())
    }

    fn load(
        &mut self,
        _: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        let mut trouble = self.trouble.take().unwrap_or_else(|| Box::new(|_| Ok(())));
        let mut rows = Vec::new();
        trouble(0)?;
        loop {
            match next() {
                LoadCommand::Block(block) => {
                    rows.push(block.rows);
                    trouble(rows.len())?;
                }
                LoadCommand::Commit(_) => {
                    trouble(STEPS - 1)?;
                    self.known.lock().unwrap().rows.append(&mut rows);
                    return Ok(());
                }
                LoadCommand::RollBack => return Ok(()),
            }
        }
    }
}

/// Calls `test` with a store over a stub, and with the contents of the table.
fn with(
    trouble: impl FnMut(usize) -> Result<(), DatabaseError> + Send + 'static,
    cancel: Option<Sender<()>>,
    test: impl FnOnce(&mut Store, &mut Watch),
) -> Known {
    let known = Arc::new(Mutex::new(Known::default()));
    let stub = Stub { known: Arc::clone(&known), trouble: Some(Box::new(trouble)), cancel };
    let mut go_on = |_: &Progress| ControlFlow::Continue(());
    let mut watch = Watch { observe: &mut go_on, progress: Progress::default() };
    let mut store = Store::new(|_| Ok(stub), &mut watch).unwrap();
    test(&mut store, &mut watch);
    drop(store);
    // The thread has ended, so nobody else has it now.
    let known = Arc::into_inner(known).expect("the thread has ended").into_inner().unwrap();
    assert!(known.is_closed);
    known
}

/// Loads a file of two blocks.
fn load(store: &mut Store, name: u8, watch: &mut Watch) -> Result<(), WriteError> {
    store.begin(Vec::new())?;
    for block in 1..=2 {
        store.append(plain(vec![name, block]), watch)?;
    }
    store.commit(Entry::default(), watch)
}

fn failed(step: usize, at: usize) -> Result<(), DatabaseError> {
    if step == at { Err(DatabaseError::file("locked")) } else { Ok(()) }
}

#[test]
fn a_file_that_fails_at_any_step_takes_nothing_of_the_next_with_it() {
    for at in 0..STEPS {
        let known = with(
            move |step| failed(step, at),
            None,
            |store, watch| {
                let error = load(store, 1, watch).unwrap_err();
                assert!(matches!(error, WriteError::Failed(_)), "{at}: {error:?}");
                store.roll_back(watch).unwrap();
                load(store, 2, watch).unwrap();
            },
        );
        assert_eq!(known.rows, [[2, 1], [2, 2]], "{at}");
    }
}

#[test]
fn a_file_that_is_taken_back_at_any_step_leaves_nothing_though_the_database_fails_as_well() {
    for at in 0..=STEPS {
        for blocks in 0..3 {
            let known = with(
                move |step| failed(step, at),
                None,
                |store, watch| {
                    store.begin(Vec::new()).unwrap();
                    for block in 1..=blocks {
                        // Whether it has learned of the failure by now or not.
                        let _ = store.append(plain(vec![1, block]), watch);
                    }
                    store.roll_back(watch).unwrap();
                    load(store, 2, watch).unwrap();
                },
            );
            assert_eq!(known.rows, [[2, 1], [2, 2]], "{at} {blocks}");
        }
    }
}

#[test]
fn a_lost_database_serves_nobody() {
    for at in 0..STEPS {
        let lost = move |step| {
            if step == at { Err(DatabaseError::Lost("the server ended".into())) } else { Ok(()) }
        };
        let known = with(lost, None, |store, watch| {
            assert!(matches!(load(store, 1, watch), Err(WriteError::Lost(_))), "{at}");
            assert!(matches!(store.begin(Vec::new()), Err(WriteError::Lost(_))), "{at}");
        });
        assert!(known.rows.is_empty(), "{at}");
    }
}

#[test]
fn the_next_file_waits_for_a_slow_statement_and_gets_only_its_own_answer() {
    for at in 0..STEPS - 1 {
        let (release, gate) = sync_channel::<()>(1);
        let slow = move |step| {
            if step == at {
                let _ = gate.recv();
            }
            // The end that it would have had.
            failed(step, STEPS - 1)
        };
        let known = with(slow, None, |store, _| {
            // The observer is called again and again while the statement runs.
            let mut asked = 0;
            let mut observe = |_: &Progress| {
                asked += 1;
                if asked == 2 {
                    release.send(()).unwrap();
                }
                ControlFlow::Continue(())
            };
            let watch = &mut Watch { observe: &mut observe, progress: Progress::default() };
            store.begin(Vec::new()).unwrap();
            for block in 1..=2 {
                store.append(plain(vec![1, block]), watch).unwrap();
            }
            store.roll_back(watch).unwrap();
            load(store, 2, watch).unwrap();
        });
        assert_eq!(known.rows, [[2, 1], [2, 2]], "{at}");
    }
}

#[test]
fn a_store_whose_end_is_unknown_serves_nobody_and_ends_before_the_job_does() {
    for at in 0..STEPS {
        let (release, gate) = channel::<()>();
        let slow = move |step| {
            if step == at {
                // The statement outlasts every limit, until it is cancelled.
                let _ = gate.recv();
            }
            Ok(())
        };
        let known = with(slow, Some(release), |store, watch| {
            let mut stop = |_: &Progress| ControlFlow::Break(());
            let stopped = &mut Watch { observe: &mut stop, progress: Progress::default() };
            store.begin(Vec::new()).unwrap();
            store.append(plain(vec![1, 1]), watch).unwrap();
            store.append(plain(vec![1, 2]), watch).unwrap();
            let ended = match at {
                3 => store.commit(Entry::default(), stopped),
                _ => store.roll_back(stopped),
            };
            assert!(matches!(ended, Err(WriteError::Interrupted)), "{at}: {ended:?}");
            let Err(WriteError::Lost(problem)) = load(store, 2, watch) else { panic!("{at}") };
            assert!(problem.text().contains("is not known"), "{problem}");
            assert!(problem.to_string().contains("resume"), "{problem}");
        });
        // A commit that was under way is the only thing that may still happen.
        assert_eq!(known.rows.len(), if at == 3 { 2 } else { 0 }, "{at}");
    }
}
