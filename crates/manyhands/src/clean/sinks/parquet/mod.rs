//! Parquet: workers make whole files of one row group, the parent puts row groups together.
//!
//! ```text
//!   worker   rows ─► Column, Column, …     gathered, coded ─► column chunks ─► a file of one row group
//!   parent   file, file, …                 bytes of column chunks as they are; places in the metadata moved
//! ```
//! The `parquet` crate has the schema and the metadata; column chunks, where the time goes, are made
//! here: [`column`] gathers and cuts into pages, [`dictionary`] says what becomes an index, [`words`] and
//! [`texts`] how what does not is written, [`hybrid`] and [`delta`] pack bits, [`pages`] compresses.

mod column;
mod delta;
mod dictionary;
mod hybrid;
mod pages;
#[cfg(test)]
mod tests;
mod texts;
mod values;
mod words;

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use manyhands_csv::recipe::Type;
use manyhands_csv::{Plan, Rows};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type as Node};

use self::pages::{Packer, Pages};
use super::{Column, columns};
use crate::clean::sum::Sum;

/// What a file begins and ends with.
const MAGIC: &[u8] = b"PAR1";

/// How many rows are gathered column after column: with fewer, a column's dictionary leaves the caches
/// between two turns, with more, the cells do.
const ROWS: usize = 1 << 10;

fn wrong(error: ParquetError) -> String {
    match error {
        // What the system says, such as that a disk is full.
        ParquetError::External(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// All columns may be NULL.
fn schema(columns: &[Column]) -> Result<SchemaDescPtr, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Type::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Type::Integer => (Physical::INT64, None),
            Type::Number => (Physical::DOUBLE, None),
            Type::Boolean => (Physical::BOOLEAN, None),
            Type::Date => (Physical::INT32, Some(LogicalType::Date)),
            Type::Datetime => {
                (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS)))
            }
        };
        let builder = Node::primitive_type_builder(&column.name, physical);
        let builder = builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical);
        builder.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    let root = Node::group_type_builder("schema").with_fields(fields).build()?;
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(root))))
}

/// Appends what comes after the row groups of a file.
fn put_footer(
    schema: &SchemaDescPtr,
    groups: Vec<RowGroupMetaData>,
    out: &mut Vec<u8>,
) -> Result<(), ParquetError> {
    let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let creator = Some("manyhands".to_owned());
    let file = FileMetaData::new(1, rows, creator, None, schema.clone(), None);
    ParquetMetaDataWriter::new(out, &ParquetMetaData::new(file, groups)).finish()
}

/// The metadata of a file, all of it.
fn metadata(file: &Bytes) -> Result<ParquetMetaData, ParquetError> {
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
    reader.parse_and_finish(file)
}

/// Where an encoder gathers and encodes, used again and again: fresh memory is dear.
#[derive(Default)]
struct Buffers {
    columns: Vec<column::Column>,
    pages: Pages,
    packer: Packer,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Makes a file of rows.
pub(super) struct Encoder {
    columns: Vec<Column>,
    buffers: Buffers,
    rows: usize,
}

impl Encoder {
    pub(super) fn new(plan: &Plan) -> Encoder {
        Encoder::of(columns(plan))
    }

    fn of(columns: Vec<Column>) -> Encoder {
        let mut buffers = BUFFERS.take();
        buffers.columns.resize_with(columns.len(), Default::default);
        for (gathered, column) in buffers.columns.iter_mut().zip(&columns) {
            gathered.begin(column.kind);
        }
        Encoder { columns, buffers, rows: 0 }
    }

    pub(super) fn add(&mut self, rows: &Rows) {
        self.rows += rows.len();
        for from in (0..rows.len()).step_by(ROWS) {
            let range = from..rows.len().min(from + ROWS);
            for (at, column) in self.buffers.columns.iter_mut().enumerate() {
                column.add(rows, at, range.clone());
            }
        }
    }

    /// Appends the file.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.write(out).map_err(wrong)?;
        BUFFERS.set(self.buffers);
        Ok(())
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        let schema = schema(&self.columns)?;
        let start = out.len();
        out.extend_from_slice(MAGIC);
        let mut groups = Vec::new();
        if self.rows > 0 {
            let Buffers { columns, pages, packer } = &mut self.buffers;
            let mut chunks = Vec::with_capacity(columns.len());
            for (column, descriptor) in columns.iter_mut().zip(schema.columns()) {
                chunks.push(column.write(descriptor.clone(), pages, packer, start, out)?);
            }
            let bytes = chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
            let group = RowGroupMetaData::builder(schema.clone()).set_num_rows(self.rows as i64);
            let group = group.set_column_metadata(chunks).set_total_byte_size(bytes);
            groups.push(group.set_file_offset(MAGIC.len() as i64).set_ordinal(0).build()?);
        }
        put_footer(&schema, groups, out)
    }
}

/// A file to which row groups are appended.
pub(in crate::clean) struct Appender {
    file: File,
    /// Of what was written.
    sum: Sum,
    schema: SchemaDescPtr,
    groups: Vec<RowGroupMetaData>,
}

impl std::fmt::Debug for Appender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Appender")
    }
}

impl Appender {
    pub(in crate::clean) fn new(file: File, columns: &[Column]) -> Result<Appender, String> {
        let schema = schema(columns).map_err(wrong)?;
        let mut made = Appender { file, sum: Sum::default(), schema, groups: Vec::new() };
        made.write(MAGIC)?;
        Ok(made)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| error.to_string())?;
        self.sum = self.sum.then(Sum::of(bytes));
        Ok(())
    }

    /// Appends the row group of a block, if it has rows.
    pub(in crate::clean) fn append(&mut self, block: Vec<u8>) -> Result<(), String> {
        let block = Bytes::from(block);
        let metadata = metadata(&block).map_err(wrong)?;
        let Some(group) = metadata.row_groups().first() else { return Ok(()) };
        let moved = self.moved(group).map_err(wrong)?;
        let end = MAGIC.len() + group.compressed_size() as usize;
        self.write(block.get(MAGIC.len()..end).ok_or("a row group is cut off")?)?;
        self.groups.push(moved);
        Ok(())
    }

    /// The metadata of a block's row group for its place in the file.
    fn moved(&self, group: &RowGroupMetaData) -> Result<RowGroupMetaData, ParquetError> {
        let place = self.sum.len as i64;
        let move_by = place - MAGIC.len() as i64;
        let chunks = group.columns().iter().map(|chunk| {
            let dictionary = chunk.dictionary_page_offset().map(|at| at + move_by);
            let first = chunk.data_page_offset() + move_by;
            let builder = chunk.clone().into_builder().set_data_page_offset(first);
            builder.set_dictionary_page_offset(dictionary).build()
        });
        let chunks = chunks.collect::<Result<_, _>>()?;
        let ordinal = self.groups.len() as i32;
        RowGroupMetaData::builder(self.schema.clone())
            .set_num_rows(group.num_rows())
            .set_total_byte_size(group.total_byte_size())
            .set_column_metadata(chunks)
            .set_file_offset(place)
            .set_ordinal(ordinal)
            .build()
    }

    /// Writes what comes last; gives the sum of all.
    pub(in crate::clean) fn finish(mut self) -> Result<Sum, String> {
        let mut footer = Vec::new();
        let groups = std::mem::take(&mut self.groups);
        put_footer(&self.schema, groups, &mut footer).map_err(wrong)?;
        self.write(&footer)?;
        Ok(self.sum)
    }
}
