//! Ends a build for another platform at its beginning, with the sentence that says why: every crate that starts processes
//! depends on this one.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let platform = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if platform != "linux" {
        println!("cargo::error=manyhands supports only Linux, and this build is for {platform}");
    }
}
