//! Tests of the engine through its public interface: whole files, and the same files by chunks.

mod chunks;
mod dialects;
mod drive;
mod golden;
mod stores;
mod table;
