//! Parquet: workers make whole files of one row group; the parent puts row groups together.

use std::collections::HashSet;
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use manyhands_csv::recipe::Type;
use manyhands_csv::{Plan, Rows};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type as Node, TypePtr};

use super::{Column, columns};
use crate::clean::sum::Sum;

fn wrong(error: ParquetError) -> String {
    match error {
        // What the system says, such as that a disk is full.
        ParquetError::External(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// How files are written; `plain` are the columns whose values hardly repeat.
fn properties<'a>(plain: impl IntoIterator<Item = &'a str>) -> Arc<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by("manyhands".to_owned());
    for name in plain {
        let path = ColumnPath::new(vec![name.to_owned()]);
        builder = builder.set_column_dictionary_enabled(path, false);
    }
    Arc::new(builder.build())
}

/// All columns may be NULL.
fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
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
    Node::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

/// Gathers rows column by column.
pub(super) struct Encoder {
    columns: Vec<Column>,
    cells: Vec<Cells>,
    rows: usize,
}

/// The cells of a column that are not NULL, and for each row whether its is one of them.
struct Cells {
    present: Vec<i16>,
    values: Values,
}

enum Values {
    /// All text, and where each ends.
    Text(Vec<u8>, Vec<usize>),
    Integers(Vec<i64>),
    Numbers(Vec<f64>),
    Booleans(Vec<bool>),
    Days(Vec<i32>),
}

impl Encoder {
    pub(super) fn new(plan: &Plan) -> Encoder {
        let columns = columns(plan);
        let cells = |column: &Column| Cells {
            present: Vec::new(),
            values: match column.kind {
                Type::Text => Values::Text(Vec::new(), Vec::new()),
                Type::Integer | Type::Datetime => Values::Integers(Vec::new()),
                Type::Number => Values::Numbers(Vec::new()),
                Type::Boolean => Values::Booleans(Vec::new()),
                Type::Date => Values::Days(Vec::new()),
            },
        };
        let cells = columns.iter().map(cells).collect();
        Encoder { columns, cells, rows: 0 }
    }

    pub(super) fn add(&mut self, rows: &Rows) {
        self.rows += rows.len();
        for (at, (column, cells)) in self.columns.iter().zip(&mut self.cells).enumerate() {
            cells.add(rows, at, column.kind);
        }
    }

    /// Appends the file.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), String> {
        self.write(out).map_err(wrong)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        let columns = self.columns.iter().zip(&self.cells);
        let plain = columns.filter(|(_, cells)| cells.values.hardly_repeat());
        let properties = properties(plain.map(|(column, _)| column.name.as_str()));
        let mut writer = SerializedFileWriter::new(out, schema(&self.columns)?, properties)?;
        if self.rows > 0 {
            let mut group = writer.next_row_group()?;
            for cells in self.cells {
                let mut column = group.next_column()?.ok_or_else(|| {
                    ParquetError::General("the schema has fewer columns".to_owned())
                })?;
                cells.write(column.untyped())?;
                column.close()?;
            }
            group.close()?;
        }
        writer.close().map(drop)
    }
}

/// How many values are looked at to see whether they repeat.
const LOOK: usize = 2048;

impl Values {
    /// Whether a dictionary would be as long as the values, which takes long to find out with all
    /// of them.
    fn hardly_repeat(&self) -> bool {
        let (seen, distinct) = match self {
            Values::Text(bytes, ends) => {
                let starts = std::iter::once(&0).chain(ends);
                count(starts.zip(ends).map(|(from, to)| &bytes[*from..*to]))
            }
            Values::Integers(values) => count(values.iter()),
            Values::Numbers(values) => count(values.iter().map(|value| value.to_bits())),
            Values::Days(values) => count(values.iter()),
            Values::Booleans(_) => return false,
        };
        2 * distinct > seen
    }
}

/// How many values were looked at, and how many different ones are among them.
fn count<T: Eq + Hash>(values: impl Iterator<Item = T>) -> (usize, usize) {
    let mut seen = 0;
    let distinct: HashSet<T> = values.take(LOOK).inspect(|_| seen += 1).collect();
    (seen, distinct.len())
}

impl Cells {
    fn add(&mut self, rows: &Rows, column: usize, kind: Type) {
        let present = &mut self.present;
        let mut is_there = |is_there: bool| present.push(i16::from(is_there));
        for row in 0..rows.len() {
            match &mut self.values {
                Values::Text(bytes, ends) => {
                    let text = rows.text(row, column);
                    is_there(text.is_some());
                    if let Some(text) = text {
                        bytes.extend_from_slice(&text);
                        ends.push(bytes.len());
                    }
                }
                Values::Integers(values) => {
                    let value = match kind {
                        Type::Datetime => rows.datetime(row, column),
                        _ => rows.integer(row, column),
                    };
                    is_there(value.is_some());
                    values.extend(value);
                }
                Values::Numbers(values) => {
                    let value = rows.number(row, column);
                    is_there(value.is_some());
                    values.extend(value);
                }
                Values::Booleans(values) => {
                    let value = rows.boolean(row, column);
                    is_there(value.is_some());
                    values.extend(value);
                }
                Values::Days(values) => {
                    let value = rows.date(row, column);
                    is_there(value.is_some());
                    values.extend(value);
                }
            }
        }
    }

    fn write(self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = Some(&self.present[..]);
        let written = match (self.values, column) {
            (Values::Text(bytes, ends), ColumnWriter::ByteArrayColumnWriter(column)) => {
                let bytes = Bytes::from(bytes);
                let mut from = 0;
                let text = |end: usize| {
                    ByteArray::from(bytes.slice(std::mem::replace(&mut from, end)..end))
                };
                let values: Vec<ByteArray> = ends.into_iter().map(text).collect();
                column.write_batch(&values, present, None)
            }
            (Values::Integers(values), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(&values, present, None)
            }
            (Values::Numbers(values), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(&values, present, None)
            }
            (Values::Booleans(values), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(&values, present, None)
            }
            (Values::Days(values), ColumnWriter::Int32ColumnWriter(column)) => {
                column.write_batch(&values, present, None)
            }
            _ => return Err(ParquetError::General("a column of another type".to_owned())),
        };
        written.map(drop)
    }
}

/// A file, and the sum of what was written to it.
struct Summed {
    file: File,
    sum: Sum,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum = self.sum.then(Sum::of(&bytes[..count]));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file to which row groups are appended.
pub(in crate::clean) struct Appender(SerializedFileWriter<BufWriter<Summed>>);

/// How much is written at once.
const BUFFER: usize = 256 << 10;

impl std::fmt::Debug for Appender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Appender")
    }
}

impl Appender {
    pub(in crate::clean) fn new(file: File, columns: &[Column]) -> Result<Appender, String> {
        let file = BufWriter::with_capacity(BUFFER, Summed { file, sum: Sum::default() });
        let writer = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(file, schema, properties([])));
        writer.map(Appender).map_err(wrong)
    }

    /// Appends the row groups of a block.
    pub(in crate::clean) fn append(&mut self, block: Vec<u8>) -> Result<(), String> {
        self.copy(&Bytes::from(block)).map_err(wrong)
    }

    fn copy(&mut self, block: &Bytes) -> Result<(), ParquetError> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(block)?;
        for group in metadata.row_groups() {
            let mut out = self.0.next_row_group()?;
            for column in group.columns() {
                let closed = ColumnCloseResult {
                    bytes_written: column.compressed_size() as u64,
                    rows_written: group.num_rows() as u64,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                out.append_column(block, closed)?;
            }
            out.close()?;
        }
        Ok(())
    }

    /// Writes what comes last; gives the sum of all.
    pub(in crate::clean) fn finish(mut self) -> Result<Sum, String> {
        self.0.finish().map_err(wrong)?;
        let buffer = self.0.inner_mut();
        buffer.flush().map_err(|error| error.to_string())?;
        Ok(buffer.get_ref().sum)
    }
}
