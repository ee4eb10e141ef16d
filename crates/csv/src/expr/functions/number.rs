//! Functions of numbers. Integers stay exact if the result is an integer; an undefined result is
//! NULL.

use super::{Arguments, Function, Value};
use crate::expr::evaluate::{arithmetic, whole};
use crate::expr::node::Arithmetic;
use crate::expr::tree::Kind::Number as N;
use crate::number::Number;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "abs(number)",
        "The number without its sign.",
        &[N],
        N,
        |of| match of.number(0)? {
            Number::Int(int) => match int.checked_abs() {
                Some(int) => Some(Value::int(int)),
                None => Some(Value::float((int as f64).abs())),
            },
            Number::Float(float) => Some(Value::float(float.abs())),
        },
        &[("abs(-3)", "3"), ("abs('-2.5')", "2.5")],
    ),
    Function::new(
        "round(number [, digits])",
        "The nearest integer, or the nearest number of so many decimals; halves away from zero.",
        &[N, N],
        N,
        |of| {
            let number = of.number(0)?;
            let digits = if of.has(1) { of.integer(1)? } else { 0 };
            Some(round(number, digits))
        },
        &[
            ("round(2.5)", "3"),
            ("round(-2.5)", "-3"),
            ("round(1.005, 2)", "1.01"),
            ("round(1250, -2)", "1300"),
        ],
    )
    .optional(1),
    Function::new(
        "floor(number)",
        "The greatest integer that is not above.",
        &[N],
        N,
        |of| integral(of, f64::floor),
        &[("floor(-1.5)", "-2")],
    ),
    Function::new(
        "ceil(number)",
        "The least integer that is not below.",
        &[N],
        N,
        |of| integral(of, f64::ceil),
        &[("ceil(1.2)", "2"), ("ceiling(-1.5)", "-1")],
    )
    .aliases(&["ceiling"]),
    Function::new(
        "trunc(number)",
        "The integer before the point.",
        &[N],
        N,
        |of| integral(of, f64::trunc),
        &[("trunc(-1.9)", "-1")],
    ),
    Function::new(
        "sqrt(number)",
        "The square root; NULL below zero.",
        &[N],
        N,
        |of| Some(Value::float(of.float(0)?.sqrt())),
        &[("sqrt(9)", "3.0"), ("sqrt(-1)", "NULL")],
    ),
    Function::new(
        "exp(number)",
        "e to the power of the number.",
        &[N],
        N,
        |of| Some(Value::float(of.float(0)?.exp())),
        &[("exp(0)", "1.0")],
    ),
    Function::new(
        "ln(number)",
        "The natural logarithm; NULL unless above zero.",
        &[N],
        N,
        |of| logarithm(of, f64::ln),
        &[("ln(1)", "0.0"), ("ln(0)", "NULL")],
    ),
    Function::new(
        "log10(number)",
        "The logarithm to base 10; NULL unless above zero.",
        &[N],
        N,
        |of| logarithm(of, f64::log10),
        &[("log10(1000)", "3.0")],
    ),
    Function::new(
        "log2(number)",
        "The logarithm to base 2; NULL unless above zero.",
        &[N],
        N,
        |of| logarithm(of, f64::log2),
        &[("log2(8)", "3.0")],
    ),
    Function::new(
        "log(base, number)",
        "The logarithm to a base; NULL unless both are above zero.",
        &[N, N],
        N,
        |of| {
            let (base, number) = (of.float(0)?, of.float(1)?);
            let defined = base > 0.0 && base != 1.0 && number > 0.0;
            defined.then(|| Value::float(number.log2() / base.log2()))
        },
        &[("log(2, 8)", "3.0")],
    ),
    Function::new(
        "power(base, exponent)",
        "The base to the power of the exponent.",
        &[N, N],
        N,
        power,
        &[("power(2, 10)", "1024"), ("power(2, -1)", "0.5"), ("power(2.0, 3)", "8.0")],
    )
    .aliases(&["pow"]),
    Function::new(
        "mod(number, divisor)",
        "The remainder, with the sign of the number, like `%`; NULL for a divisor of zero.",
        &[N, N],
        N,
        |of| {
            let (number, divisor) = (of.number(0)?, of.number(1)?);
            arithmetic(Arithmetic::Remainder, number, divisor).map(Value::Number)
        },
        &[("mod(-7, 3)", "-1"), ("mod(5.5, 2)", "1.5"), ("mod(1, 0)", "NULL")],
    ),
    Function::new(
        "sign(number)",
        "-1, 0 or 1.",
        &[N],
        N,
        |of| Some(Value::int(of.number(0)?.compare(Number::Int(0)) as i128)),
        &[("sign(-2.5)", "-1"), ("sign(0)", "0")],
    ),
];

fn integral<'a>(of: &mut Arguments<'a, '_, '_>, map: fn(f64) -> f64) -> Option<Value<'a>> {
    Some(match of.number(0)? {
        Number::Int(int) => Value::int(int),
        Number::Float(float) => integer_or_float(map(float)),
    })
}

fn integer_or_float(float: f64) -> Value<'static> {
    whole(float).map_or(Value::float(float), Value::int)
}

fn logarithm<'a>(of: &mut Arguments<'a, '_, '_>, map: fn(f64) -> f64) -> Option<Value<'a>> {
    let number = of.float(0)?;
    (number > 0.0).then(|| Value::float(map(number)))
}

fn power<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Value<'a>> {
    let (base, exponent) = (of.number(0)?, of.number(1)?);
    if let (Number::Int(base), Number::Int(exponent)) = (base, exponent) {
        let exact = u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent));
        if let Some(int) = exact {
            return Some(Value::int(int));
        }
    }
    Some(Value::float(base.to_f64().powf(exponent.to_f64())))
}

/// Rounds the decimals as written: 1.005 becomes 1.01, although the float is below it.
fn round(number: Number, digits: i64) -> Value<'static> {
    let digits = digits.clamp(-400, 400);
    match number {
        Number::Int(int) if digits >= 0 => Value::int(int),
        Number::Int(int) => {
            let power = u32::try_from(-digits).ok().and_then(|digits| 10_i128.checked_pow(digits));
            let Some(power) = power else { return Value::int(0) };
            let (rest, half) = (int % power, power / 2);
            let away = if rest.abs() >= half { power * rest.signum() } else { 0 };
            let rounded = (int - rest).checked_add(away);
            rounded.map_or(Value::float(int as f64), Value::int)
        }
        Number::Float(float) if digits > 0 => Value::float(round_text(float, digits)),
        Number::Float(float) if digits == 0 => integer_or_float(float.round()),
        Number::Float(float) => integer_or_float(round_text(float, digits)),
    }
}

/// Rounds the shortest text of a float to a number of decimals. The result is exact: a number
/// without further decimals does not change.
fn round_text(float: f64, digits: i64) -> f64 {
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse::<i64>().unwrap_or(0);
    // There is one digit before the decimal point.
    let decimals: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = 1 + exponent + digits;
    let Ok(kept) = usize::try_from(kept) else { return 0.0_f64.copysign(float) };
    if kept >= decimals.len() {
        return float;
    }
    // At most 17 digits, plus one if all were nines.
    let whole =
        decimals[..kept].iter().fold(0_u64, |whole, digit| 10 * whole + u64::from(digit - b'0'));
    let whole = whole + u64::from(decimals[kept] >= b'5');
    let rounded: f64 = fast_float2::parse(format!("{whole}e{}", -digits)).unwrap_or(float.abs());
    rounded.copysign(float)
}
