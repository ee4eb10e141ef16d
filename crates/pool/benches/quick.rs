#![allow(missing_docs, clippy::print_stdout)]
#[path = "../tests/support/runner.rs"]
mod runner;
type Test = (&'static str, fn());
fn run(_: &[Test]) -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
use runner::*;
use manyhands_pool::*;
use std::time::*;
fn main() {
    work_if_worker();
    let _ = run as fn(&[Test]) -> _;
    for _ in 0..3 {
    let t = Instant::now();
    let pool = pool(2);
    value(submit(&pool, "double", 1)).unwrap();
    println!("start {:?}", t.elapsed());
    let f = function(&pool, "double");
    let n = 100_000;
    let t = Instant::now();
    for i in 0..n {
        let fut = pool.submit(&f, None, 1u64.to_le_bytes().to_vec().into(), CallOptions::default()).unwrap();
        std::hint::black_box(value(fut).unwrap()); let _ = i;
    }
    println!("submit+wait {:?}", t.elapsed() / n);
    let mut ts = vec![];
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(10));
        let t = Instant::now();
        let fut = pool.submit(&f, None, 1u64.to_le_bytes().to_vec().into(), CallOptions::default()).unwrap();
        value(fut).unwrap();
        ts.push(t.elapsed());
    }
    ts.sort();
    println!("after quiet: median {:?} p90 {:?}", ts[100], ts[180]);
    for (name, size) in [("auto", None), ("1", std::num::NonZeroUsize::new(1))] {
        let n = 1_000_000u64;
        let t = Instant::now();
        let src = Numbers { numbers: 0..n, handles: vec![] };
        let mut map = pool.map(&f, None, src, CallOptions { chunk_size: size, ..Default::default() }, true).unwrap();
        let mut sum = 0;
        while let Some((_, r)) = map.next_with(|b, _| number(b)) { sum += r.unwrap(); }
        assert_eq!(sum, n * (n - 1));
        println!("map {name}: {:?} each", t.elapsed() / n as u32);
    }
    }
}
