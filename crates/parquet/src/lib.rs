//! Encodes columns of values as Parquet: an encoder for row groups, and an appender that puts row
//! groups into one file.
//!
//! ```text
//!   Encoder    rows ─► Column, Column, …   collected, encoded ─► column chunks ─► a file of one row group
//!   Appender   file, file, …               bytes of column chunks unchanged; offsets in the metadata adjusted
//! ```
//! Encoders run in parallel, and each makes a file of one row group; the appender copies their
//! bytes. The `parquet` crate handles the schema and the metadata. Column chunks, which take the
//! time, are encoded here: `column` collects values and cuts them into pages, `dictionary` decides
//! which values become indices, `words` and `texts` write the others, `hybrid` and `delta` pack
//! bits, `pages` compresses. For the same rows this takes 0.77 seconds of processor time where the
//! writer of the `parquet` crate takes 1.9, and the file has 21.6 MB instead of 29.9.
//!
//! All columns may contain NULL. Limits: six types, no nesting, Zstandard only, one row group per
//! encoder.
//!
//! ```
//! use std::ops::Range;
//! use manyhands_parquet::{Appender, Column, Encoder, Rows, Type};
//!
//! struct Ages(Vec<Option<i64>>);
//!
//! impl Rows for Ages {
//!     fn len(&self) -> usize {
//!         self.0.len()
//!     }
//!     fn each_integer(&self, _: usize, rows: Range<usize>, mut each: impl FnMut(Option<i64>)) {
//!         self.0[rows].iter().for_each(|age| each(*age));
//!     }
//! }
//!
//! let columns = vec![Column { name: "age".to_owned(), kind: Type::Integer }];
//! let mut group = Vec::new();
//! let mut encoder = Encoder::new(columns.clone());
//! encoder.add(&Ages(vec![Some(41), None, Some(7)]));
//! encoder.finish(&mut group)?;
//!
//! let mut file = Appender::new(Vec::new(), &columns)?;
//! file.append(group)?;
//! assert!(file.finish()?.ends_with(b"PAR1"));
//! # Ok::<(), manyhands_parquet::Error>(())
//! ```

mod column;
mod delta;
mod dictionary;
mod hybrid;
mod pages;
mod rows;
#[cfg(test)]
mod tests;
mod texts;
mod values;
mod words;

use std::cell::RefCell;
use std::error;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type as Node};

use self::pages::{Packer, Pages};
pub use self::rows::{Column, Rows, Type};

/// First and last bytes of a file.
const MAGIC: &[u8] = b"PAR1";

/// Number of rows that are collected column after column. With fewer rows, a column's dictionary
/// leaves the caches between two batches; with more, the cells do.
const ROWS: usize = 1 << 10;

/// Failure of an encoder or an appender.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Writing failed.
    Io(io::Error),
    /// The `parquet` crate rejected the schema or the metadata, or a row group is invalid.
    Format(ParquetError),
    /// Bytes of a row group are missing.
    CutOff,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            // The system's own message, for example that a disk is full.
            Error::Format(ParquetError::External(error)) => error.fmt(f),
            Error::Format(error) => error.fmt(f),
            Error::CutOff => f.write_str("a row group is cut off"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            Error::Format(error) => Some(error),
            Error::CutOff => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Error {
        Error::Format(error)
    }
}

/// The schema; all columns may be NULL.
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

/// Appends the footer of a file, which follows the row groups.
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

/// The complete metadata of a file.
fn metadata(file: &Bytes) -> Result<ParquetMetaData, ParquetError> {
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
    reader.parse_and_finish(file)
}

/// Memory in which an encoder collects and encodes. It is reused, since fresh memory is expensive.
#[derive(Default)]
struct Buffers {
    columns: Vec<column::Column>,
    pages: Pages,
    packer: Packer,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Makes a Parquet file of one row group. The next encoder of the thread reuses its memory.
pub struct Encoder {
    columns: Vec<Column>,
    buffers: Buffers,
    rows: usize,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Makes an encoder without rows.
    pub fn new(columns: Vec<Column>) -> Encoder {
        let mut buffers = BUFFERS.take();
        buffers.columns.resize_with(columns.len(), Default::default);
        for (gathered, column) in buffers.columns.iter_mut().zip(&columns) {
            gathered.begin(column.kind);
        }
        Encoder { columns, buffers, rows: 0 }
    }

    /// Adds a copy of rows, which must have the columns of the encoder.
    pub fn add<R: Rows>(&mut self, rows: &R) {
        self.rows += rows.len();
        for from in (0..rows.len()).step_by(ROWS) {
            let range = from..rows.len().min(from + ROWS);
            for (at, column) in self.buffers.columns.iter_mut().enumerate() {
                column.add(rows, at, range.clone());
            }
        }
    }

    /// Appends the file to `out`.
    ///
    /// # Errors
    /// If the columns are invalid for a Parquet file.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.write(out)?;
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

/// A Parquet file under construction, to which row groups are appended.
pub struct Appender<W> {
    out: W,
    /// Number of bytes written.
    len: u64,
    schema: SchemaDescPtr,
    groups: Vec<RowGroupMetaData>,
}

impl<W> fmt::Debug for Appender<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("groups", &self.groups.len()).finish_non_exhaustive()
    }
}

impl<W: Write> Appender<W> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// If the columns are invalid for a Parquet file, or writing fails.
    pub fn new(out: W, columns: &[Column]) -> Result<Appender<W>, Error> {
        let mut made = Appender { out, len: 0, schema: schema(columns)?, groups: Vec::new() };
        made.write(MAGIC)?;
        Ok(made)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Appends the row group, if there is one, of a file made by an [`Encoder`] with the same
    /// columns.
    ///
    /// # Errors
    /// If the file cannot be read, or writing fails.
    pub fn append(&mut self, file: Vec<u8>) -> Result<(), Error> {
        let file = Bytes::from(file);
        let metadata = metadata(&file)?;
        let Some(group) = metadata.row_groups().first() else { return Ok(()) };
        let moved = self.moved(group)?;
        let end = MAGIC.len() + group.compressed_size() as usize;
        self.write(file.get(MAGIC.len()..end).ok_or(Error::CutOff)?)?;
        self.groups.push(moved);
        Ok(())
    }

    /// The metadata of an encoder's row group, adjusted to its position in this file.
    fn moved(&self, group: &RowGroupMetaData) -> Result<RowGroupMetaData, ParquetError> {
        let place = self.len as i64;
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

    /// Writes the footer; returns the writer.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(mut self) -> Result<W, Error> {
        let mut footer = Vec::new();
        let groups = std::mem::take(&mut self.groups);
        put_footer(&self.schema, groups, &mut footer)?;
        self.write(&footer)?;
        Ok(self.out)
    }
}
