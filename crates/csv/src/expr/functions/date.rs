//! Functions of dates and datetimes. A value with a time zone is converted to UTC.

use jiff::Span;
use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime;

use super::format::{self, Purpose};
use super::{Arguments, Check, Function, Returns, Shape, Value};
use crate::expr::tree::Kind::{Any, Date, Number, Text};
use crate::expr::value::{in_calendar, read_date};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "date(value)",
        "The day of a date or a datetime, `2024-12-31` or `2024-12-31T12:30:00`.",
        &[Date],
        Date,
        |of| Some(Value::Date(of.moment(0)?.date())),
        &[("date('2024-12-31 12:30:00')", "2024-12-31")],
    ),
    Function::new(
        "datetime(value)",
        "A day and a time; of a day alone its midnight.",
        &[Date],
        Date,
        |of| Some(Value::Datetime(of.moment(0)?)),
        &[("datetime('2024-12-31 12:30')", "2024-12-31T12:30:00")],
    ),
    field("year(date)", "The year.", |at| i64::from(at.year()), &[("year('2024-12-31')", "2024")]),
    field("quarter(date)", "The quarter, 1 to 4.", quarter, &[("quarter('2024-12-31')", "4")]),
    field(
        "month(date)",
        "The month, 1 to 12.",
        |at| i64::from(at.month()),
        &[("month('2024-12-31')", "12")],
    ),
    field(
        "day(date)",
        "The day of the month.",
        |at| i64::from(at.day()),
        &[("day('2024-12-31')", "31")],
    ),
    field(
        "weekday(date)",
        "The day of the week, 1 (Monday) to 7.",
        |at| i64::from(at.weekday().to_monday_one_offset()),
        &[("weekday('2024-12-31')", "2")],
    ),
    field(
        "hour(date)",
        "The hour, 0 to 23.",
        |at| i64::from(at.hour()),
        &[("hour('2024-12-31 12:30')", "12"), ("EXTRACT(HOUR FROM '2024-12-31')", "0")],
    ),
    field(
        "minute(date)",
        "The minute.",
        |at| i64::from(at.minute()),
        &[("minute('2024-12-31 12:30')", "30")],
    ),
    field(
        "second(date)",
        "The second.",
        |at| i64::from(at.second()),
        &[("second('2024-12-31 12:30:59.5')", "59")],
    ),
    Function::special(
        "EXTRACT (field FROM date)",
        "YEAR, QUARTER, MONTH, DAY, ISODOW, HOUR, MINUTE or SECOND of a date.",
        &[Any],
        Shape::Syntax,
        &[("EXTRACT(YEAR FROM '2024-12-31')", "2024")],
    ),
    Function::new(
        "date_diff(unit, from, to)",
        "How many years, quarters, months, weeks (from Monday), days, hours, minutes or seconds \
         begin between two dates.",
        &[Text, Date, Date],
        Number,
        |of| {
            let (unit, from, to) = (unit(of, 0)?, of.moment(1)?, of.moment(2)?);
            Some(Value::int(unit.count(to) - unit.count(from)))
        },
        &[
            ("date_diff('day', '2024-02-28', '2024-03-01')", "2"),
            ("date_diff('year', '2023-12-31', '2024-01-01')", "1"),
            ("date_diff('hour', '2024-01-01', '2024-01-01 23:59')", "23"),
        ],
    )
    .aliases(&["datediff"])
    .check(0, Check::Unit),
    Function::new(
        "date_add(date, count, unit)",
        "The date so many units later; the day is cut to the month's last. Outside the years 1 to \
         9999 it is a bad cell.",
        &[Date, Number, Text],
        Date,
        date_add,
        &[
            ("date_add('2024-01-31', 1, 'month')", "2024-02-29"),
            ("date_add('2024-03-01', -1, 'day')", "2024-02-29"),
            ("date_add('2024-03-01', 90, 'minute')", "2024-03-01T01:30:00"),
        ],
    )
    .aliases(&["dateadd"])
    .check(2, Check::Unit),
    Function::new(
        "format_date(date, format)",
        "The date written with a strftime format.",
        &[Date, Text],
        Text,
        |of| {
            let (date, format) = (of.moment(0)?, of.text(1)?);
            let format = str::from_utf8(&format).ok();
            match format.and_then(|format| strtime::format(format, date).ok()) {
                Some(text) => of.made(text.into_bytes()),
                None => of.fail("not a format"),
            }
        },
        &[("format_date('2024-12-31', '%d.%m.%Y')", "31.12.2024")],
    )
    .aliases(&["strftime"])
    .check(1, Check::Format(Purpose::Write)),
    Function::new(
        "parse_date(text, format)",
        "The day read with a strftime format, that in UTC if it has an offset; a year is four digits (`%Y`, `%-Y`, \
         `%G`), but for `%y`. What does not fit is a bad cell.",
        &[Text, Text],
        Date,
        |of| {
            let (text, format) = (of.string(0)?, of.string(1)?);
            match format::read(&format, text.trim()) {
                Some(moment) => Some(Value::Date(moment.date())),
                None if text.trim().is_empty() => None,
                None => of.fail("not a date in the format"),
            }
        },
        &[("parse_date('31/12/2024', '%d/%m/%Y')", "2024-12-31")],
    )
    .check(1, Check::Format(Purpose::Read)),
    Function::new(
        "parse_datetime(text, format)",
        "The day and the time read with a strftime format, in UTC if it has an offset (`%z`, `%:z`); \
         what does not fit is a bad cell.",
        &[Text, Text],
        Date,
        |of| {
            let (text, format) = (of.string(0)?, of.string(1)?);
            match format::read(&format, text.trim()) {
                Some(moment) => Some(Value::Datetime(moment)),
                None if text.trim().is_empty() => None,
                None => of.fail("not a date in the format"),
            }
        },
        &[
            ("parse_datetime('31/12/24 17:05', '%d/%m/%y %H:%M')", "2024-12-31T17:05:00"),
            ("parse_datetime('2024-12-31 17:05 +0200', '%Y-%m-%d %H:%M %z')", "2024-12-31T15:05:00"),
        ],
    )
    .aliases(&["strptime"])
    .check(1, Check::Format(Purpose::Read)),
    Function::new(
        "now()",
        "The day and the time at which the run began.",
        &[],
        Date,
        |of| Some(Value::Datetime(of.frame.context.now)),
        &[("now() >= today()", "true")],
    )
    .aliases(&["current_timestamp"])
    .clock(),
    Function::new(
        "today()",
        "The day on which the run began.",
        &[],
        Date,
        |of| Some(Value::Date(of.frame.context.now.date())),
        &[("today() = date(now())", "true")],
    )
    .aliases(&["current_date"])
    .clock(),
];

const fn field(
    signature: &'static str,
    summary: &'static str,
    get: fn(DateTime) -> i64,
    examples: &'static [(&'static str, &'static str)],
) -> Function {
    let returns = Returns::Kind(Number);
    Function {
        returns,
        ..Function::special(signature, summary, &[Date], Shape::Field(get), examples)
    }
}

/// Units of the date functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    pub(in crate::expr) const NAMES: [&str; 8] =
        ["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

    /// Reads the name of a unit, in any case and also in the plural.
    pub(in crate::expr) fn read(name: &[u8]) -> Option<Unit> {
        let name = name.strip_suffix(b"s").or(name.strip_suffix(b"S")).unwrap_or(name);
        let at =
            Unit::NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
        use Unit::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
        [Year, Quarter, Month, Week, Day, Hour, Minute, Second].get(at).copied()
    }

    /// Number of units that began before a date and time, counted from a fixed origin.
    fn count(self, at: DateTime) -> i64 {
        let months = i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
        // The origin is a Monday.
        let beginning = jiff::civil::date(1, 1, 1).to_datetime(Time::midnight());
        let seconds = || at.duration_since(beginning).as_secs();
        match self {
            Unit::Year => i64::from(at.year()),
            Unit::Quarter => months.div_euclid(3),
            Unit::Month => months,
            Unit::Week => seconds().div_euclid(7 * 86_400),
            Unit::Day => seconds().div_euclid(86_400),
            Unit::Hour => seconds().div_euclid(3_600),
            Unit::Minute => seconds().div_euclid(60),
            Unit::Second => seconds(),
        }
    }
}

fn unit(of: &mut Arguments<'_, '_, '_>, at: usize) -> Option<Unit> {
    match Unit::read(&of.text(at)?) {
        None => of.fail("not a unit of time"),
        unit => unit,
    }
}

fn quarter(at: DateTime) -> i64 {
    (i64::from(at.month()) + 2) / 3
}

fn date_add<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Value<'a>> {
    let (moment, count, unit) = (of.moment(0)?, of.integer(1)?, unit(of, 2)?);
    let span = match unit {
        Unit::Year => Span::new().try_years(count),
        Unit::Quarter => Span::new().try_months(count.saturating_mul(3)),
        Unit::Month => Span::new().try_months(count),
        Unit::Week => Span::new().try_weeks(count),
        Unit::Day => Span::new().try_days(count),
        Unit::Hour => Span::new().try_hours(count),
        Unit::Minute => Span::new().try_minutes(count),
        Unit::Second => Span::new().try_seconds(count),
    };
    let later = span.and_then(|span| moment.checked_add(span)).ok().and_then(in_calendar);
    let Some(later) = later else { return of.fail("outside the years 1 to 9999") };
    // The result is a date without a time unless hours or smaller units were added.
    let day = match of.value(0) {
        Value::Date(_) => true,
        Value::Text(text) => read_date(&text).is_some(),
        _ => false,
    };
    let timed = matches!(unit, Unit::Hour | Unit::Minute | Unit::Second);
    Some(if day && !timed { Value::Date(later.date()) } else { Value::Datetime(later) })
}
