//! Parses a text into a [`Tree`], using `sqlparser`. No type of that crate is visible outside this
//! file.
//!
//! The parser of `sqlparser` recurses where parentheses nest, and stops at a maximum depth. It does
//! not recurse for a long chain such as `a + b + c`, but the tree of a chain is as deep as the chain
//! is long. So the number of tokens is limited first.
//!
//! The file is long because it walks through that parser's tree form by form, and the errors for
//! unsupported forms need positions in the source.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, TimezoneInfo, TrimWhereField, UnaryOperator,
    Value as Sql,
};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::{Keyword, RESERVED_FOR_IDENTIFIER};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::error::ExpressionError;
use super::functions::{self, Check, Function, Shape, Unit};
use super::node::{AggregateKind, Arithmetic, CastType, Comparison};
use super::tree::{Form, MAX_DEPTH, Tree, UNKNOWN, union};
use super::value::{Value, read_date, read_datetime};
use crate::number::{Reading, read};
use crate::problem::Hint;
use crate::suggest::suggest;

/// Maximum number of tokens that may make a tree deeper; commas, strings and numbers do not count.
const MAX_TOKENS: usize = 4_000;

/// Maximum nesting depth of parentheses and similar.
const MAX_NESTING: usize = 50;

type Result<T> = std::result::Result<T, ExpressionError>;

/// Parses an expression.
pub(super) fn parse(
    source: &str,
    parameters: &BTreeMap<String, String>,
    used: &mut BTreeSet<String>,
) -> Result<Tree> {
    let mut reader = Reader::new(source, parameters, used);
    let tokens = Tokenizer::new(&Sqlish, source).tokenize_with_location();
    let tokens = tokens
        .map_err(|error| reader.error(lower_first(&error.message), reader.at(error.location)))?;
    let weighs = |token: &&TokenWithSpan| {
        !matches!(
            token.token,
            Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_)
        )
    };
    if tokens.iter().filter(weighs).count() > MAX_TOKENS {
        let message =
            format!("the expression is too long (more than {MAX_TOKENS} words and signs)");
        return Err(reader.error(message, UNKNOWN));
    }
    reader.check_for_days(&tokens)?;
    let mut parser =
        Parser::new(&Sqlish).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let expr = parser.parse_expr().map_err(|error| reader.syntax(&error))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("unexpected {}", shown(&next.token.to_string()));
        return Err(reader.error(message, reader.range(next.span)));
    }
    reader.tree(&expr, 1)
}

/// The SQL dialect of expressions.
#[derive(Debug)]
struct Sqlish;

impl Dialect for Sqlish {
    fn is_delimited_identifier_start(&self, char: char) -> bool {
        matches!(char, '"' | '`')
    }

    fn is_identifier_start(&self, char: char) -> bool {
        char.is_alphabetic() || char == '_'
    }

    fn is_identifier_part(&self, char: char) -> bool {
        char.is_alphanumeric() || char == '_'
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    /// Lets errors inside these be reported at their position.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        use Keyword::{CASE, CAST, EXTRACT, NOT, SAFE_CAST, TRY_CAST};
        matches!(keyword, CASE | CAST | TRY_CAST | SAFE_CAST | EXTRACT | NOT)
            || RESERVED_FOR_IDENTIFIER.contains(&keyword)
    }
}

struct Reader<'s> {
    source: &'s str,
    parameters: &'s BTreeMap<String, String>,
    /// The parameters that occur in the expression.
    used: &'s mut BTreeSet<String>,
    in_aggregate: bool,
    /// Offset of each character, and of the end.
    chars: Vec<usize>,
    /// Number of the first character of each line.
    lines: Vec<usize>,
}

impl<'s> Reader<'s> {
    fn new(
        source: &'s str,
        parameters: &'s BTreeMap<String, String>,
        used: &'s mut BTreeSet<String>,
    ) -> Self {
        let (mut chars, mut lines) = (Vec::with_capacity(source.len() + 1), vec![0]);
        for (at, char) in source.char_indices() {
            chars.push(at);
            if char == '\n' {
                lines.push(chars.len());
            }
        }
        chars.push(source.len());
        Reader { source, parameters, used, in_aggregate: false, chars, lines }
    }

    /// Rejects dates without quotes, which would be arithmetic: `2026-01-02` is 2023.
    fn check_for_days(&self, tokens: &[TokenWithSpan]) -> Result<()> {
        for window in tokens.windows(5) {
            let [a, sign, b, again, c] = window else { continue };
            let (Token::Number(a, _), Token::Number(b, _), Token::Number(c, _)) =
                (&a.token, &b.token, &c.token)
            else {
                continue;
            };
            let (sign, again) = (&sign.token, &again.token);
            let span = union(&self.range(window[0].span), &self.range(window[4].span));
            let text = self.source.get(span.clone()).unwrap_or_default();
            let numbers = [a, b, c].map(|number| number.parse().unwrap_or(0));
            if sign != again || text.contains(char::is_whitespace) {
                continue;
            }
            let (year, month, day) = match (sign, [a.len(), b.len(), c.len()], numbers) {
                (Token::Minus | Token::Div, [4, 1 | 2, 1 | 2], [year, month, day]) => {
                    (year, month, day)
                }
                (Token::Minus | Token::Div, [1 | 2, 1 | 2, 4], [day, month, year]) => {
                    (year, month.min(day), month.max(day))
                }
                _ => continue,
            };
            if (1..=12).contains(&month) && (1..=31).contains(&day) && year > 0 {
                let message = format!("{text} is arithmetic");
                let hint = match sign {
                    Token::Minus if a.len() == 4 => {
                        format!("a date is in quotes: '{year:04}-{month:02}-{day:02}'")
                    }
                    _ => "a date is in quotes, the year first: '2026-12-31'".to_owned(),
                };
                return Err(self.error(message, span).hint(hint));
            }
        }
        Ok(())
    }

    /// `level` is the depth of recursion.
    fn tree(&mut self, expr: &Expr, level: usize) -> Result<Tree> {
        if level > MAX_DEPTH {
            return Err(self.too_deep());
        }
        let span = self.span_of(expr);
        let tree = match expr {
            Expr::Nested(inner) => return self.tree(inner, level + 1),
            Expr::BinaryOp { .. } => return self.chain(expr, level),
            Expr::Function(function) => return self.function(function, level),
            Expr::Identifier(name) => Tree::new(Form::Column(name.value.clone()), vec![], span),
            Expr::CompoundIdentifier(parts) => return Err(self.dotted(parts, span)),
            Expr::Value(value) => return self.literal(&value.value, span),
            Expr::TypedString(typed) => {
                let Sql::SingleQuotedString(text) = &typed.value.value else {
                    return Err(self.unsupported("this", span));
                };
                let (value, what) = match cast_type(&typed.data_type) {
                    Some(CastType::Date) => (read_date(text.as_bytes()).map(Value::Date), "date"),
                    Some(CastType::Datetime) => {
                        (read_datetime(text.as_bytes()).map(Value::Datetime), "datetime")
                    }
                    _ => return Err(self.unsupported(&typed.data_type.to_string(), span)),
                };
                let wrong = || self.error(format!("'{text}' is not a {what}"), span.clone());
                Tree::literal(value.ok_or_else(wrong)?, span)
            }
            Expr::UnaryOp { op, expr: operand } => {
                let operand = self.tree(operand, level + 1)?;
                match (op, &operand.form) {
                    (UnaryOperator::Plus, _) => operand,
                    (UnaryOperator::Not, _) => Tree::new(Form::Not, vec![operand], span),
                    (UnaryOperator::Minus, _) => Tree::new(Form::Negate, vec![operand], span),
                    (other, _) => return Err(self.unsupported(&other.to_string(), span)),
                }
            }
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_) => return self.is(expr, level),
            Expr::Cast { kind, expr, data_type, format: None } => {
                return self.cast(kind, expr, data_type, level);
            }
            Expr::Case { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. } => return self.special(expr, level),
            Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. } => return self.predicate(expr, level),
            Expr::Interval(_) => {
                return Err(self.unsupported("INTERVAL", span).hint("see date_add"));
            }
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                return Err(self.unsupported("a query", span));
            }
            Expr::RLike { .. } | Expr::SimilarTo { .. } => {
                return Err(self.unsupported("this", span).hint("see regexp_like"));
            }
            _ => return Err(self.unsupported("this", span)),
        };
        self.checked(tree)
    }

    fn trees<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        level: usize,
    ) -> Result<Vec<Tree>> {
        exprs.into_iter().map(|expr| self.tree(expr, level + 1)).collect()
    }

    fn is(&mut self, expr: &Expr, level: usize) -> Result<Tree> {
        let (form, negated, operand) = match expr {
            Expr::IsNull(operand) | Expr::IsUnknown(operand) => (Form::IsNull, false, operand),
            Expr::IsNotNull(operand) | Expr::IsNotUnknown(operand) => (Form::IsNull, true, operand),
            Expr::IsTrue(operand) => (Form::Is(true), false, operand),
            Expr::IsNotTrue(operand) => (Form::Is(true), true, operand),
            Expr::IsFalse(operand) => (Form::Is(false), false, operand),
            Expr::IsNotFalse(operand) => (Form::Is(false), true, operand),
            _ => return Err(self.unsupported("this", UNKNOWN)),
        };
        let operand = self.tree(operand, level + 1)?;
        self.checked(not(negated, Tree::new(form, vec![operand], UNKNOWN)))
    }

    fn cast(
        &mut self,
        kind: &CastKind,
        expr: &Expr,
        data_type: &DataType,
        level: usize,
    ) -> Result<Tree> {
        let operand = self.tree(expr, level + 1)?;
        let Some(to) = cast_type(data_type) else {
            return Err(self.cast_type_error(data_type, operand.span));
        };
        let attempt = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
        self.checked(Tree::new(Form::Cast { to, attempt }, vec![operand], UNKNOWN))
    }

    /// Parses forms that compare an operand with others.
    fn predicate(&mut self, expr: &Expr, level: usize) -> Result<Tree> {
        let span = UNKNOWN;
        let tree = match expr {
            Expr::IsDistinctFrom(a, b) => {
                Tree::new(Form::Distinct, self.trees([&**a, b], level)?, span)
            }
            Expr::IsNotDistinctFrom(a, b) => {
                not(true, Tree::new(Form::Distinct, self.trees([&**a, b], level)?, span))
            }
            Expr::Between { expr, negated, low, high } => {
                let children = self.trees([&**expr, low, high], level)?;
                not(*negated, Tree::new(Form::Between, children, span))
            }
            Expr::InList { expr, list, negated } => {
                let children = self.trees(std::iter::once(&**expr).chain(list), level)?;
                not(*negated, Tree::new(Form::In, children, span))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let form =
                    Form::Like { escape: self.escape(escape_char, &span)?, insensitive: false };
                not(*negated, Tree::new(form, self.trees([&**expr, pattern], level)?, span))
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let form =
                    Form::Like { escape: self.escape(escape_char, &span)?, insensitive: true };
                not(*negated, Tree::new(form, self.trees([&**expr, pattern], level)?, span))
            }
            _ => return Err(self.unsupported("this", span)),
        };
        self.checked(tree)
    }

    /// Parses forms that begin with a keyword.
    fn special(&mut self, expr: &Expr, level: usize) -> Result<Tree> {
        let span = UNKNOWN;
        let tree = match expr {
            Expr::Case { operand, conditions, else_result, .. } => {
                let form =
                    Form::Case { operand: operand.is_some(), otherwise: else_result.is_some() };
                let pairs = conditions.iter().flat_map(|when| [&when.condition, &when.result]);
                let children =
                    operand.as_deref().into_iter().chain(pairs).chain(else_result.as_deref());
                Tree::new(form, self.trees(children, level)?, span)
            }
            Expr::Extract { field, expr, .. } => {
                let Some(name) = field_function(field) else {
                    return Err(self
                        .error(format!("no date field {field}"), span)
                        .hint("see EXTRACT"));
                };
                self.call_of(name, &[&**expr], span, level)?
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call_of("ceil", &[&**expr], span, level)?
            }
            Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call_of("floor", &[&**expr], span, level)?,
            Expr::Position { expr, r#in } => {
                self.call_of("strpos", &[&**r#in, expr], span, level)?
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let one = Expr::Value(Sql::Number("1".to_owned(), false).into());
                let from = match (substring_from, substring_for) {
                    (Some(from), _) => Some(&**from),
                    (None, Some(_)) => Some(&one),
                    (None, None) => None,
                };
                let parts = [Some(&**expr), from, substring_for.as_deref()];
                let parts: Vec<&Expr> = parts.into_iter().flatten().collect();
                self.call_of("substr", &parts, span, level)?
            }
            Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let characters = trim_characters.iter().flatten();
                let parts = std::iter::once(&**expr).chain(trim_what.as_deref()).chain(characters);
                let parts: Vec<&Expr> = parts.collect();
                self.call_of(name, &parts, span, level)?
            }
            _ => return Err(self.unsupported("this", span)),
        };
        self.checked(tree)
    }

    /// Parses chains of operators without recursion; the operands of `AND`, `OR` and `||` become
    /// siblings.
    fn chain(&mut self, mut expr: &Expr, level: usize) -> Result<Tree> {
        let mut links = Vec::new();
        while let Expr::BinaryOp { left, op, right } = expr {
            links.push((op, &**right));
            expr = left;
        }
        let mut tree = self.tree(expr, level + 1)?;
        for (op, right) in links.into_iter().rev() {
            let right = self.tree(right, level + 1)?;
            let span = union(&tree.span, &right.span);
            let form = match op {
                BinaryOperator::Plus => Form::Arithmetic(Arithmetic::Add),
                BinaryOperator::Minus => Form::Arithmetic(Arithmetic::Subtract),
                BinaryOperator::Multiply => Form::Arithmetic(Arithmetic::Multiply),
                BinaryOperator::Divide => Form::Arithmetic(Arithmetic::Divide),
                BinaryOperator::Modulo => Form::Arithmetic(Arithmetic::Remainder),
                BinaryOperator::Eq => Form::Compare(Comparison::Equal),
                BinaryOperator::NotEq => Form::Compare(Comparison::NotEqual),
                BinaryOperator::Lt => Form::Compare(Comparison::Less),
                BinaryOperator::LtEq => Form::Compare(Comparison::LessOrEqual),
                BinaryOperator::Gt => Form::Compare(Comparison::Greater),
                BinaryOperator::GtEq => Form::Compare(Comparison::GreaterOrEqual),
                BinaryOperator::And => Form::And,
                BinaryOperator::Or => Form::Or,
                BinaryOperator::StringConcat => Form::Concat,
                BinaryOperator::Regexp | BinaryOperator::PGRegexMatch => {
                    return Err(self.unsupported(&op.to_string(), span).hint("see regexp_like"));
                }
                other => return Err(self.unsupported(&other.to_string(), span)),
            };
            let flat = matches!(form, Form::And | Form::Or | Form::Concat);
            tree = if flat && tree.form == form {
                tree.depth = tree.depth.max(right.depth + 1);
                tree.children.push(right);
                Tree { span, ..tree }
            } else {
                Tree::new(form, vec![tree, right], span)
            };
            tree = self.checked(tree)?;
        }
        Ok(tree)
    }

    fn literal(&mut self, value: &Sql, span: Range<usize>) -> Result<Tree> {
        let value = match value {
            Sql::Null => Value::Null,
            Sql::Boolean(boolean) => Value::Boolean(*boolean),
            Sql::SingleQuotedString(text) => Value::text(text.clone().into_bytes()),
            Sql::Number(digits, _) => match read(digits.as_bytes()) {
                Reading::Number(number) => Value::Number(number),
                _ => return Err(self.error(format!("{digits} is not a number"), span)),
            },
            Sql::Placeholder(name) if name.starts_with(':') => {
                let name = &name[1..];
                self.used.insert(name.to_owned());
                return match self.parameters.get(name) {
                    Some(text) => Ok(Tree::new(Form::Parameter(text.clone()), vec![], span)),
                    None => Err(self.unbound(name, span)),
                };
            }
            other => return Err(self.unsupported(&other.to_string(), span)),
        };
        Ok(Tree::literal(value, span))
    }

    fn function(&mut self, call: &sqlparser::ast::Function, level: usize) -> Result<Tree> {
        let parts: Option<Vec<&Ident>> = call.name.0.iter().map(|part| part.as_ident()).collect();
        let Some([name]) = parts.as_deref() else {
            return Err(self.unsupported("this", UNKNOWN));
        };
        let span = self.range(name.span);
        let Some(function) = functions::find(&name.value) else {
            let error = self.error(format!("no function `{}`", name.value), span);
            return Err(error.did_you_mean(functions::meant(&name.value)));
        };
        if call.over.is_some() {
            return Err(self.unsupported("a window function", span));
        }
        let plain =
            call.filter.is_none() && call.within_group.is_empty() && call.null_treatment.is_none();
        if !plain || call.parameters != FunctionArguments::None {
            return Err(self.unsupported("what follows the arguments", span));
        }
        let (mut arguments, mut star) = (Vec::new(), false);
        match &call.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return Err(self.unsupported("a query", span)),
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    return Err(self.unsupported("DISTINCT and the like", span));
                }
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                        _ => return Err(self.unsupported("a named argument", span)),
                    }
                }
            }
        }
        if star {
            if !matches!(function.shape, Shape::Aggregate(AggregateKind::Count))
                || !arguments.is_empty()
            {
                return Err(self.unsupported("*", span));
            }
            self.enter_aggregate(&span)?;
            self.in_aggregate = false;
            return Ok(Tree::new(Form::Aggregate(AggregateKind::Count), vec![], span));
        }
        self.call(function, &arguments, span, level)
    }

    /// A call with a special syntax.
    fn call_of(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        span: Range<usize>,
        level: usize,
    ) -> Result<Tree> {
        match functions::find(name) {
            Some(function) => self.call(function, arguments, span, level),
            None => Err(self.unsupported(name, span)),
        }
    }

    fn call(
        &mut self,
        function: &'static Function,
        arguments: &[&Expr],
        span: Range<usize>,
        level: usize,
    ) -> Result<Tree> {
        let signature = || format!("it is written {}", function.signature);
        if matches!(function.shape, Shape::Syntax) {
            return Err(self
                .error(format!("{} is not called like this", function.name), span)
                .hint(signature()));
        }
        if let Some(message) = function.wrong_count(arguments.len()) {
            return Err(self.error(message, span).hint(signature()));
        }
        if let Shape::Aggregate(kind) = function.shape {
            self.enter_aggregate(&span)?;
            let children = self.trees(arguments.iter().copied(), level);
            self.in_aggregate = false;
            return self.aggregate(kind, children?, span);
        }
        let children = self.trees(arguments.iter().copied(), level)?;
        if let Some((at, check)) = function.check {
            self.check(check, children.get(at))?;
        }
        if function.name == "regexp_replace" {
            self.check_groups(&children)?;
        }
        let form = match function.shape {
            Shape::Coalesce => Form::Coalesce,
            Shape::If => Form::Case { operand: false, otherwise: true },
            Shape::HasColumn => match children[0].constant().and_then(Value::into_text) {
                Some(name) => Form::HasColumn(String::from_utf8_lossy(&name).into_owned()),
                None => {
                    let error =
                        self.error("has_column needs a literal text", children[0].span.clone());
                    return Err(match &children[0].form {
                        Form::Column(name) => error.hint(format!("write has_column('{name}')")),
                        _ => error,
                    });
                }
            },
            _ => Form::Call(function),
        };
        let children = if matches!(form, Form::HasColumn(_)) { vec![] } else { children };
        self.checked(Tree::new(form, children, span))
    }

    fn enter_aggregate(&mut self, span: &Range<usize>) -> Result<()> {
        if std::mem::replace(&mut self.in_aggregate, true) {
            return Err(self.error("an aggregate inside of an aggregate", span.clone()));
        }
        Ok(())
    }

    fn aggregate(
        &self,
        kind: AggregateKind,
        mut children: Vec<Tree>,
        span: Range<usize>,
    ) -> Result<Tree> {
        let kind = match (kind, children.get(1)) {
            (AggregateKind::Quantile(_), Some(share)) => {
                let read = |value: Value<'_>| match read(&value.into_text()?) {
                    Reading::Number(number) => Some(number.to_f64()),
                    _ => None,
                };
                match share.constant().and_then(read) {
                    Some(share) if (0.0..=1.0).contains(&share) => AggregateKind::Quantile(share),
                    _ => {
                        let message = "quantile needs a number from 0 to 1 here";
                        return Err(self.error(message, share.span.clone()));
                    }
                }
            }
            _ => kind,
        };
        children.truncate(1);
        self.checked(Tree::new(Form::Aggregate(kind), children, span))
    }

    /// Checks that the groups named in a literal text exist in a literal pattern.
    fn check_groups(&self, arguments: &[Tree]) -> Result<()> {
        let text = |at: usize| {
            let text = arguments.get(at)?.constant()?.into_text()?;
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        let (Some(pattern), Some(new)) = (text(1), text(2)) else { return Ok(()) };
        let Ok(regex) = regex::bytes::Regex::new(&pattern) else { return Ok(()) };
        crate::substitute::check(&regex, &new)
            .map_err(|(message, hint)| self.error(message, arguments[2].span.clone()).hint(hint))
    }

    /// Checks a literal argument. Other arguments are checked for every row.
    fn check(&self, check: Check, argument: Option<&Tree>) -> Result<()> {
        let Some(argument) = argument else { return Ok(()) };
        let Some(text) = argument.constant().and_then(Value::into_text) else { return Ok(()) };
        let text: Cow<'_, str> = String::from_utf8_lossy(&text);
        let span = argument.span.clone();
        match check {
            Check::Regex => match regex::bytes::Regex::new(&text) {
                Err(error) => Err(self.error(functions::regex::wrong(&error), span)),
                Ok(_) => Ok(()),
            },
            Check::Format(purpose) => functions::check_format(&text, purpose)
                .map_err(|(message, hint)| self.error(message, span).hint(hint)),
            Check::Unit if Unit::read(text.as_bytes()).is_none() => {
                let error = self.error(format!("'{text}' is not a unit of time"), span);
                Err(match suggest(&text, Unit::NAMES) {
                    Some(meant) => error.did_you_mean(Some(meant)),
                    None => error.hint(format!("it is one of {}", Unit::NAMES.join(", "))),
                })
            }
            Check::Unit => Ok(()),
        }
    }

    fn escape(&self, escape: &Option<Box<Expr>>, span: &Range<usize>) -> Result<Option<char>> {
        let Some(escape) = escape else { return Ok(None) };
        if let Expr::Value(value) = &**escape
            && let Sql::SingleQuotedString(text) = &value.value
        {
            let mut chars = text.chars();
            if let (Some(char), None) = (chars.next(), chars.next()) {
                return Ok(Some(char));
            }
        }
        Err(self.error("ESCAPE needs one character, such as '!'", span.clone()))
    }

    fn checked(&self, tree: Tree) -> Result<Tree> {
        if tree.depth > MAX_DEPTH { Err(self.too_deep()) } else { Ok(tree) }
    }

    fn too_deep(&self) -> ExpressionError {
        let message = format!("the expression is too deep (more than {MAX_DEPTH} levels)");
        self.error(message, UNKNOWN)
    }

    fn unbound(&self, name: &str, span: Range<usize>) -> ExpressionError {
        let error = self.error(format!("no parameter `:{name}`"), span);
        match suggest(name, self.parameters.keys().map(String::as_str)) {
            Some(meant) => error.hint(format!("did you mean `:{meant}`?")),
            None => {
                error.advise(Hint::is("param", format!("{name}=VALUE")).and(" gives it a value"))
            }
        }
    }

    fn dotted(&self, parts: &[Ident], span: Range<usize>) -> ExpressionError {
        let name: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        let hint = format!("a name with a dot is written `{}` in backticks", name.join("."));
        self.unsupported("a dotted name", span).hint(hint)
    }

    fn cast_type_error(&self, data_type: &DataType, span: Range<usize>) -> ExpressionError {
        let error = self.error(format!("cannot cast to {data_type}"), span);
        match data_type {
            DataType::Varchar(_) | DataType::Char(_) => error.hint("see left"),
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => {
                error.hint("see round")
            }
            _ => error.hint("types are INTEGER, DOUBLE, NUMERIC, TEXT, BOOLEAN, DATE, TIMESTAMP"),
        }
    }

    fn unsupported(&self, what: &str, span: Range<usize>) -> ExpressionError {
        self.error(format!("{what} is not supported in expressions"), span)
    }

    fn error(&self, message: impl Into<String>, span: Range<usize>) -> ExpressionError {
        let span = if span == UNKNOWN { 0..self.source.len() } else { span };
        ExpressionError::new(message, self.source, span)
    }

    /// The parser's message, with the position taken out of its text.
    fn syntax(&self, error: &ParserError) -> ExpressionError {
        let text = match error {
            ParserError::RecursionLimitExceeded => return self.too_deep(),
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        };
        let (message, place) = text.split_once(" at Line: ").unwrap_or((text, ""));
        let mut numbers = place.split(", Column: ").map(str::parse);
        let span = match (numbers.next(), numbers.next()) {
            (Some(Ok(line)), Some(Ok(column))) => self.at(Location { line, column }),
            _ => self.source.len()..self.source.len(),
        };
        if message.starts_with("No infix parser for token ") {
            let rest = &self.source[span.start..];
            let sign = rest.find(|char: char| char.is_alphanumeric() || char.is_whitespace());
            let sign = &rest[..sign.unwrap_or(rest.len())];
            let error =
                self.error(format!("unexpected `{sign}`"), span.start..span.start + sign.len());
            return if sign == "&&" { error.hint("it is written AND") } else { error };
        }
        let message = lower_first(message).replacen("expected: ", "expected ", 1);
        let message = match message.rsplit_once(", found: ") {
            Some((expected, found)) => format!("{expected}, found {}", shown(found)),
            None => message,
        };
        self.error(message, span)
    }

    /// The span of an expression without operands; the spans of others follow from their operands.
    /// (`Spanned` would recurse.)
    fn span_of(&self, expr: &Expr) -> Range<usize> {
        match expr {
            Expr::Identifier(name) => self.range(name.span),
            Expr::Value(value) => self.range(value.span),
            Expr::TypedString(typed) => self.range(typed.value.span),
            Expr::CompoundIdentifier(parts) => {
                let spans = parts.iter().map(|part| self.range(part.span));
                spans.reduce(|a, b| union(&a, &b)).unwrap_or(UNKNOWN)
            }
            _ => UNKNOWN,
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        if span == Span::empty() {
            return UNKNOWN;
        }
        let (start, end) = (self.offset(span.start), self.offset(span.end));
        start..end.max(start)
    }

    /// The span of the word at a location.
    fn at(&self, place: Location) -> Range<usize> {
        let start = self.offset(place);
        let rest = &self.source[start..];
        let word = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
        start..start + word.unwrap_or(rest.len())
    }

    /// Lines and columns are counted from 1, columns in characters.
    fn offset(&self, place: Location) -> usize {
        let usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let line = usize(place.line).checked_sub(1).and_then(|line| self.lines.get(line));
        let char = line.map(|line| line.saturating_add(usize(place.column).saturating_sub(1)));
        char.and_then(|char| self.chars.get(char)).copied().unwrap_or(self.source.len())
    }
}

fn not(negated: bool, tree: Tree) -> Tree {
    let span = tree.span.clone();
    if negated { Tree::new(Form::Not, vec![tree], span) } else { tree }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

fn shown(token: &str) -> String {
    if token == "EOF" { "the end".to_owned() } else { format!("`{token}`") }
}

fn cast_type(data_type: &DataType) -> Option<CastType> {
    use sqlparser::ast::ExactNumberInfo::None as Exact;
    Some(match data_type {
        DataType::Int(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::SmallInt(None)
        | DataType::TinyInt(None)
        | DataType::Int4(None)
        | DataType::Int8(None) => CastType::Integer,
        DataType::Float(Exact)
        | DataType::Double(Exact)
        | DataType::DoublePrecision
        | DataType::Real
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64 => CastType::Float,
        DataType::Numeric(Exact) | DataType::Decimal(Exact) | DataType::Dec(Exact) => {
            CastType::Number
        }
        DataType::Text
        | DataType::String(None)
        | DataType::Varchar(None)
        | DataType::CharVarying(None)
        | DataType::CharacterVarying(None) => CastType::Text,
        DataType::Bool | DataType::Boolean => CastType::Boolean,
        DataType::Date => CastType::Date,
        DataType::Datetime(None) => CastType::Datetime,
        DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            CastType::Datetime
        }
        _ => return None,
    })
}

/// The function for a field of `EXTRACT`.
fn field_function(field: &DateTimeField) -> Option<&'static str> {
    Some(match field {
        DateTimeField::Year | DateTimeField::Years => "year",
        DateTimeField::Quarter => "quarter",
        DateTimeField::Month | DateTimeField::Months => "month",
        DateTimeField::Day | DateTimeField::Days => "day",
        DateTimeField::Isodow => "weekday",
        DateTimeField::Hour | DateTimeField::Hours => "hour",
        DateTimeField::Minute | DateTimeField::Minutes => "minute",
        DateTimeField::Second | DateTimeField::Seconds => "second",
        _ => return None,
    })
}
