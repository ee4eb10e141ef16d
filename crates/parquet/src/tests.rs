//! Files are read back by the `parquet` crate, and their statistics equal those of its own writer.

use std::ops::Range;

use manyhands_csv::{
    Dialect, HeadFound, Out, Plan, Prepared, Recipe, Rows as CleanRows, Text, clean_whole,
    find_head,
};
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;

use super::*;

impl Rows for CleanRows<'_> {
    fn len(&self) -> usize {
        self.len()
    }

    fn each_text(&self, column: usize, rows: Range<usize>, each: impl FnMut(&[u8], usize)) {
        self.each_text(column, rows, each);
    }

    fn each_integer(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i64>)) {
        self.each_integer(column, rows, each);
    }

    fn each_number(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<f64>)) {
        self.each_number(column, rows, each);
    }

    fn each_boolean(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<bool>)) {
        rows.for_each(|row| each(self.boolean(row, column)));
    }

    fn each_date(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i32>)) {
        rows.for_each(|row| each(self.date(row, column)));
    }

    fn each_datetime(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i64>)) {
        rows.for_each(|row| each(self.datetime(row, column)));
    }
}

fn name(kind: Type) -> String {
    format!("{kind:?}").to_lowercase()
}

/// A file of one column with these cells, and the cells as typed values.
fn written(kind: Type, cells: &[String]) -> (Bytes, Vec<Field>) {
    let mut input = b"row,cell\n".to_vec();
    for cell in cells {
        // The other column keeps a row with one empty cell from being a blank line.
        input.extend(format!("1,\"{}\"\n", cell.replace('"', "\"\"")).bytes());
    }
    let recipe =
        format!("steps = [{{ types = {{ cell = '{}' }} }}, {{ select = ['cell'] }}]", name(kind));
    let dialect = Dialect::default();
    let HeadFound::Head(head) = find_head(&dialect, &input, 0, true) else { panic!("no header") };
    let prepared = Prepared::new(Recipe::from_toml(&recipe).unwrap(), 0).unwrap();
    let plan = Plan::new(&prepared, &dialect, &input[head.header.clone()]).unwrap();
    let plan = plan.storing(Text::Utf8).unwrap();
    let column = Column { name: "cell".to_owned(), kind };
    let (mut encoder, mut fields) = (Encoder::new(vec![column]), Vec::new());
    let mut take = |rows: &CleanRows<'_>| {
        encoder.add(rows);
        fields.extend((0..rows.len()).map(|row| {
            match kind {
                Type::Text => rows
                    .text(row, 0)
                    .map(|text| Field::Str(String::from_utf8(text.into_owned()).unwrap())),
                Type::Integer => rows.integer(row, 0).map(Field::Long),
                Type::Number => rows.number(row, 0).map(Field::Double),
                Type::Boolean => rows.boolean(row, 0).map(Field::Bool),
                Type::Date => rows.date(row, 0).map(Field::Date),
                Type::Datetime => rows.datetime(row, 0).map(Field::TimestampMicros),
            }
            .unwrap_or(Field::Null)
        }));
    };
    clean_whole(&plan, &input, &head, 1 << 20, (1, 2), None, Out::Rows(&mut take)).unwrap();
    assert_eq!(fields.len(), cells.len());
    let mut file = Vec::new();
    encoder.finish(&mut file).unwrap();
    (file.into(), fields)
}

/// The file that the `parquet` crate's own writer makes from the same cells.
fn oracle(kind: Type, fields: &[Field]) -> Bytes {
    let column = Column { name: "cell".to_owned(), kind };
    let properties = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::Chunk);
    let schema = schema(&[column]).unwrap().root_schema_ptr();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, properties.build().into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = fields.iter().map(|field| i16::from(*field != Field::Null)).collect();
    macro_rules! write {
        ($column:expr, $($pattern:pat => $value:expr),*) => {{
            let value = |field: &Field| match field { $($pattern => Some($value),)* _ => None };
            let values: Vec<_> = fields.iter().filter_map(value).collect();
            $column.write_batch(&values, Some(&levels), None).unwrap();
        }};
    }
    match column.untyped() {
        ColumnWriter::ByteArrayColumnWriter(column) => {
            write!(column, Field::Str(text) => ByteArray::from(text.as_str()));
        }
        ColumnWriter::Int64ColumnWriter(column) => {
            write!(column, Field::Long(value) | Field::TimestampMicros(value) => *value);
        }
        ColumnWriter::Int32ColumnWriter(column) => write!(column, Field::Date(day) => *day),
        ColumnWriter::DoubleColumnWriter(column) => write!(column, Field::Double(value) => *value),
        ColumnWriter::BoolColumnWriter(column) => write!(column, Field::Bool(truth) => *truth),
        _ => panic!("a column of another type"),
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

/// Checks a column's file, cell by cell and by its statistics; returns its metadata.
fn check(kind: Type, cells: &[String]) -> ColumnChunkMetaData {
    let (file, fields) = written(kind, cells);
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let mut rows = reader.get_row_iter(None).unwrap();
    for (number, field) in fields.iter().enumerate() {
        let row = rows.next().unwrap().unwrap();
        let (_, found) = row.get_column_iter().next().unwrap();
        // The text shows the sign of a zero.
        assert_eq!(format!("{found:?}"), format!("{field:?}"), "{kind:?}, row {number}");
    }
    assert!(rows.next().is_none());
    let group = |file: &Bytes| {
        let metadata = metadata(file).unwrap();
        assert_eq!(metadata.num_row_groups(), 1);
        metadata.row_group(0).clone()
    };
    let (group, expected) = (group(&file), group(&oracle(kind, &fields)));
    assert_eq!(group.num_rows(), expected.num_rows());
    assert_eq!(group.column(0).statistics(), expected.column(0).statistics(), "{kind:?}");
    assert_eq!(group.column(0).num_values(), expected.column(0).num_values());
    group.column(0).clone()
}

/// Number of pages of a type and an encoding.
fn pages(chunk: &ColumnChunkMetaData, kind: PageType, encoding: Encoding) -> i32 {
    let stats = chunk.page_encoding_stats().unwrap().iter();
    let like = stats.filter(|stats| stats.page_type == kind && stats.encoding == encoding);
    like.map(|stats| stats.count).sum()
}

fn data(chunk: &ColumnChunkMetaData, encoding: Encoding) -> i32 {
    pages(chunk, PageType::DATA_PAGE, encoding)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

const KINDS: [Type; 6] =
    [Type::Text, Type::Integer, Type::Number, Type::Boolean, Type::Date, Type::Datetime];

/// The cell for a number.
fn cell(kind: Type, number: u64) -> String {
    let day = || {
        format!("{:04}-{:02}-{:02}", number / 336 % 9000 + 1, number / 28 % 12 + 1, number % 28 + 1)
    };
    match kind {
        Type::Text if number % 7 == 3 => "ü\u{10FFFF}".repeat(number as usize % 40),
        Type::Text => {
            format!("{:x}{}", number.wrapping_mul(0x9E37), "x".repeat(number as usize % 23))
        }
        Type::Integer => {
            (number as i64 * if number.is_multiple_of(2) { 1 } else { -7 }).to_string()
        }
        Type::Number => {
            ["1.7976931348623157e308", "-0.0", "0", "-1.7976931348623157e308", "1e-320"]
                .get(number as usize)
                .map_or_else(
                    || format!("{}", number as f64 / 8.0 - 100.0),
                    |text| (*text).to_owned(),
                )
        }
        Type::Boolean => if number.is_multiple_of(2) { "yes" } else { "no" }.to_owned(),
        Type::Date => day(),
        Type::Datetime => format!("{} 12:30:{:02}.{:06}", day(), number % 60, number % 1_000_000),
    }
}

#[test]
fn written_values_are_read_back() {
    let mut random = Random(1);
    for round in 0..240 {
        let kind = KINDS[round % KINDS.len()];
        // Few or many distinct values, in runs or not; NULL never, rarely, mostly or always.
        let distinct = [1, 2, 5, 300, 5000, 1 << 30][random.below(6) as usize];
        let (run, nulls) = ([1, 3, 50, 900][random.below(4) as usize], random.below(4));
        let is_sorted = random.below(3) == 0;
        let (mut cells, mut number) = (Vec::new(), 0);
        for row in 0..[0, 1, 7, 8, 9, 64, 1000, 1025, 20_000][random.below(9) as usize] {
            if row % run == 0 || number == u64::MAX {
                let is_null = nulls == 3 || random.below(4) < nulls;
                number = if is_null {
                    u64::MAX
                } else if is_sorted {
                    row
                } else {
                    random.below(distinct)
                };
            }
            cells.push(if number == u64::MAX { String::new() } else { cell(kind, number) });
        }
        if !cells.is_empty() {
            check(kind, &cells);
        }
    }
}

#[test]
fn an_empty_file_has_its_columns() {
    let (file, _) = written(Type::Text, &[]);
    let reader = SerializedFileReader::new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 0);
    assert_eq!(reader.metadata().file_metadata().schema().get_fields().len(), 1);
}

#[test]
fn a_dictionary_that_no_longer_pays_is_abandoned() {
    // Few distinct values, then only new ones, after more NULLs than a page has rows.
    for kind in [Type::Text, Type::Number, Type::Integer, Type::Datetime] {
        let few = (0..40_000).map(|row| cell(kind, 100 + row % 9 * 1_000_003));
        let none = (0..140_000).map(|_| String::new());
        let many = (0..60_000).map(|row| cell(kind, (1 << 20) + row * 77_777));
        let chunk = check(kind, &few.chain(none).chain(many).collect::<Vec<_>>());
        assert_eq!(pages(&chunk, PageType::DICTIONARY_PAGE, Encoding::PLAIN), 1, "{kind:?}");
        assert!(data(&chunk, Encoding::RLE_DICTIONARY) > 0, "{kind:?}");
        let other = match kind {
            Type::Text => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Type::Number => Encoding::PLAIN,
            _ => Encoding::DELTA_BINARY_PACKED,
        };
        assert!(data(&chunk, other) > 0, "{kind:?}: {:?}", chunk.page_encoding_stats());
    }
}

#[test]
fn long_texts_with_equal_keys_are_distinguished() {
    let text = |number: u64| format!("{}{number:04}{}", "y".repeat(20), "y".repeat(100));
    let ten: Vec<String> = (0..3000).map(|row| text(row * row % 10)).collect();
    assert_eq!(data(&check(Type::Text, &ten), Encoding::RLE_DICTIONARY), 1);
    // So many that the dictionary gives up its search.
    let many: Vec<String> = (0..3000).map(|row| text(row % 1000)).collect();
    let chunk = check(Type::Text, &many);
    assert!(
        data(&chunk, Encoding::DELTA_LENGTH_BYTE_ARRAY) > 0,
        "{:?}",
        chunk.page_encoding_stats()
    );
}

#[test]
fn pages_have_about_a_mebibyte() {
    let numbers: Vec<String> = (0..300_000_u64).map(|row| format!("{}.5", row * row)).collect();
    assert_eq!(data(&check(Type::Number, &numbers), Encoding::PLAIN), 3);
    let mut random = Random(2);
    let mut text = || format!("{}{}", random.below(1 << 30), "é".repeat(500));
    let texts: Vec<String> = (0..4000).map(|_| text()).collect();
    assert_eq!(data(&check(Type::Text, &texts), Encoding::DELTA_LENGTH_BYTE_ARRAY), 4);
    // A text longer than a page, and others around it.
    let texts = ["a".to_owned(), "z".repeat(3 << 20), "b".to_owned(), "c".repeat(70)];
    check(Type::Text, &texts);
}

#[test]
fn columns_take_the_best_encoding() {
    let column = |kind, cell: &dyn Fn(u64) -> String| {
        check(kind, &(0..30_000).map(cell).collect::<Vec<_>>())
    };
    let mut random = Random(3);
    let mixed: Vec<u64> = (0..30_000).map(|_| random.below(1 << 30)).collect();
    let mixed = |row: u64| mixed[row as usize];
    let chunk = column(Type::Integer, &|row| row.to_string());
    assert_eq!(data(&chunk, Encoding::DELTA_BINARY_PACKED), 1);
    assert!(chunk.compressed_size() < 2000, "{}", chunk.compressed_size());
    let chunk = column(Type::Text, &|row| format!("Customer {}", mixed(row)));
    assert_eq!(data(&chunk, Encoding::DELTA_BYTE_ARRAY), 1);
    let chunk = column(Type::Text, &|row| format!("City {}", mixed(row) % 9));
    assert_eq!(data(&chunk, Encoding::RLE_DICTIONARY), 1);
    // Four bits per value, and no time spent on useless compression.
    assert!(chunk.compressed_size() < 16_000, "{}", chunk.compressed_size());
    assert_eq!(chunk.compression(), Compression::UNCOMPRESSED);
    let chunk = column(Type::Text, &|_| "one".to_owned());
    assert!(chunk.compressed_size() < 100, "{}", chunk.compressed_size());
    let chunk = column(Type::Number, &|row| format!("{}.25", row * 1000));
    assert_eq!(data(&chunk, Encoding::PLAIN), 1);
    assert!(matches!(chunk.compression(), Compression::ZSTD(_)));
}
