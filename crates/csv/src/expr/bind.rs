//! Binding: turns a parsed expression and the columns of a file into something that can be
//! evaluated.

use super::error::ExpressionError;
use super::functions;
use super::functions::{Check, Function, Returns};
use super::like::Pattern;
use super::node::{
    AggregateCall, AggregateKind, Arithmetic, Call, CastType, Comparison, LikePattern, List, Mode,
    Node,
};
use super::tree::{Form, Kind, Tree};
use super::value::{Value, read_boolean, read_date, read_datetime};
use crate::number::{Number, Reading, read, trim};
use crate::recipe::Type;
use crate::suggest::suggest;

/// The columns of a file at some step.
pub(crate) trait Names {
    /// The number of the column with this name.
    ///
    /// # Errors
    /// If the name matches several columns.
    fn find(&self, name: &str) -> Result<Option<usize>, Ambiguous>;

    /// The type that a `types` step declared.
    fn declared(&self, column: usize) -> Option<Type>;

    /// All names, for suggestions.
    fn all(&self) -> Vec<String>;
}

/// The columns, at least two, that a name matches equally well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    pub(crate) names: Vec<String>,
}

impl Ambiguous {
    /// The candidates as text, each name between two `quote` characters.
    pub(crate) fn shown(&self, quote: char) -> String {
        const SHOWN: usize = 12;
        let names = self.names.iter().take(SHOWN).map(|name| format!("{quote}{name}{quote}"));
        let more = if self.names.len() > SHOWN { ", .." } else { "" };
        format!(
            "could be {}{more}: write one of them exactly",
            names.collect::<Vec<_>>().join(" or ")
        )
    }
}

/// An expression that can be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) root: Node,
    /// Each aggregate is stored once, however often it is written.
    pub(crate) aggregates: Vec<AggregateCall>,
}

/// Turns trees into nodes.
pub(super) struct Binder<'n> {
    names: &'n dyn Names,
    source: &'n str,
    pub(super) aggregates: Vec<(Tree, AggregateCall)>,
}

/// A node, what is known about its value, and the tree that it came from.
type Part<'t> = (Node, Kind, &'t Tree);

impl<'n> Binder<'n> {
    pub(super) fn new(names: &'n dyn Names, source: &'n str) -> Self {
        Binder { names, source, aggregates: Vec::new() }
    }

    /// Only dispatches: it recurses, and small frames keep the stack small.
    pub(super) fn node(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        match &tree.form {
            Form::Literal(value) => Ok((Node::Literal(value.clone()), kind_of(value))),
            Form::Parameter(text) => Ok(parameter(text)),
            Form::Column(name) => self.column(tree, name),
            Form::HasColumn(name) => Ok(boolean(self.names.find(name) != Ok(None))),
            Form::Aggregate(kind) => self.aggregate(tree, *kind),
            Form::Negate => self.negation(tree),
            Form::Arithmetic(op) => self.arithmetic(*op, tree),
            Form::Not | Form::And | Form::Or | Form::IsNull | Form::Is(_) => self.logic(tree),
            Form::Compare(op) => self.comparison(*op, tree),
            Form::Distinct | Form::Between | Form::In => self.compared(tree),
            Form::Like { escape, insensitive } => self.like(tree, *escape, *insensitive),
            Form::Concat => self.concat(tree),
            Form::Coalesce => self.coalesce(tree),
            Form::Case { .. } => self.case(tree),
            Form::Cast { to, attempt } => self.cast(tree, *to, *attempt),
            Form::Call(function) => self.call(tree, function),
        }
    }

    fn negation(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let operand = self.boxed(&tree.children[0], Kind::Number)?;
        Ok((Node::Negate(operand), Kind::Number))
    }

    fn arithmetic(&mut self, op: Arithmetic, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let left = self.boxed(&tree.children[0], Kind::Number)?;
        let right = self.boxed(&tree.children[1], Kind::Number)?;
        Ok((Node::Arithmetic { op, left, right }, Kind::Number))
    }

    fn logic(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let children = &tree.children;
        let node = match tree.form {
            Form::Not => Node::Not(self.boxed(&children[0], Kind::Boolean)?),
            Form::And => Node::And(self.all(children, Kind::Boolean)?),
            Form::Or => Node::Or(self.all(children, Kind::Boolean)?),
            Form::Is(wanted) => {
                Node::Is { operand: self.boxed(&children[0], Kind::Boolean)?, wanted }
            }
            _ => Node::IsNull(self.boxed(&children[0], Kind::Any)?),
        };
        Ok((node, Kind::Boolean))
    }

    fn like(
        &mut self,
        tree: &Tree,
        escape: Option<char>,
        insensitive: bool,
    ) -> Result<(Node, Kind), ExpressionError> {
        let operand = self.boxed(&tree.children[0], Kind::Text)?;
        let pattern = match self.node(&tree.children[1])?.0 {
            Node::Literal(Value::Text(text)) => {
                LikePattern::Ready(Pattern::new(&text, escape, insensitive))
            }
            node => LikePattern::Node { node: Box::new(node), escape, insensitive },
        };
        Ok((Node::Like { operand, pattern }, Kind::Boolean))
    }

    fn concat(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        Ok((Node::Concat(self.all(&tree.children, Kind::Text)?), Kind::Text))
    }

    fn coalesce(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let parts = self.parts(&tree.children)?;
        let kind = Kind::of_any(parts.iter().map(|(_, kind, _)| *kind));
        Ok((Node::Coalesce(parts.into_iter().map(|(node, ..)| node).collect()), kind))
    }

    fn cast(
        &mut self,
        tree: &Tree,
        to: CastType,
        attempt: bool,
    ) -> Result<(Node, Kind), ExpressionError> {
        let operand = self.boxed(&tree.children[0], Kind::Any)?;
        Ok((Node::Cast { operand, to, attempt }, Kind::of_cast(to)))
    }

    fn column(&mut self, tree: &Tree, name: &str) -> Result<(Node, Kind), ExpressionError> {
        let found = self.names.find(name);
        let ambiguous =
            |found: Ambiguous| self.error(format!("`{name}` {}", found.shown('`')), tree);
        let Some(column) = found.map_err(ambiguous)? else {
            return Err(self.no_column(tree, name));
        };
        let kind = match self.names.declared(column) {
            None => Kind::Any,
            Some(Type::Text) => Kind::Text,
            Some(Type::Integer | Type::Number) => {
                return Ok((Node::NumberColumn(column), Kind::Number));
            }
            Some(Type::Boolean) => Kind::Boolean,
            Some(Type::Date | Type::Datetime) => Kind::Date,
        };
        Ok((Node::Column(column), kind))
    }

    fn no_column(&self, tree: &Tree, name: &str) -> ExpressionError {
        const SHOWN: usize = 12;
        let error = self.error(format!("no column `{name}`"), tree).missing(name);
        let all = self.names.all();
        match suggest(name, all.iter().map(String::as_str)) {
            Some(meant) => error.did_you_mean(Some(meant)),
            None if self.source.get(tree.span.start..).is_some_and(|at| at.starts_with('"')) => {
                let text = name.replace('\'', "''");
                error.hint(format!("double quotes mean a column; a text is '{text}'"))
            }
            None if all.is_empty() => error.hint("there are no columns"),
            None => {
                let shown: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
                let more = if all.len() > SHOWN { ", .." } else { "" };
                let columns = shown.join(", ");
                let text = name.replace('\'', "''");
                error.hint(format!("the columns are {columns}{more}; a text is '{text}'"))
            }
        }
    }

    fn aggregate(
        &mut self,
        tree: &Tree,
        kind: AggregateKind,
    ) -> Result<(Node, Kind), ExpressionError> {
        if let Some(at) = self.aggregates.iter().position(|(known, _)| known == tree) {
            return Ok((Node::Aggregate(at), Kind::Number));
        }
        let needed = if kind == AggregateKind::Count { Kind::Any } else { Kind::Number };
        let argument = match tree.children.first() {
            Some(argument) => Some(self.needed(argument, needed)?),
            None => None,
        };
        self.aggregates.push((tree.clone(), AggregateCall { kind, argument }));
        Ok((Node::Aggregate(self.aggregates.len() - 1), Kind::Number))
    }

    fn comparison(&mut self, op: Comparison, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let (mode, mut parts) = self.alike(tree, &tree.children)?;
        let right = parts.remove(1);
        let left = parts.remove(0);
        let (left, right) = (Box::new(left), Box::new(right));
        Ok((Node::Compare { op, mode, left, right }, Kind::Boolean))
    }

    fn compared(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let (mode, mut nodes) = self.alike(tree, &tree.children)?;
        let operand = Box::new(nodes.remove(0));
        let node = match tree.form {
            Form::In => Node::In { mode, operand, list: list(mode, nodes) },
            Form::Distinct => {
                Node::Distinct { mode, left: operand, right: Box::new(nodes.remove(0)) }
            }
            _ => {
                let (high, low) = (nodes.remove(1), nodes.remove(0));
                let (low, high) = (Box::new(low), Box::new(high));
                if !matches!(*operand, Node::Column(_) | Node::NumberColumn(_)) {
                    return Ok((Node::Between { mode, operand, low, high }, Kind::Boolean));
                }
                let compare = |op, left, right| Node::Compare { op, mode, left, right };
                Node::And(vec![
                    compare(Comparison::GreaterOrEqual, operand.clone(), low),
                    compare(Comparison::LessOrEqual, operand, high),
                ])
            }
        };
        Ok((node, Kind::Boolean))
    }

    fn case(&mut self, tree: &Tree) -> Result<(Node, Kind), ExpressionError> {
        let (operand, branches, otherwise) = tree.case();
        let (conditions, results): (Vec<&Tree>, Vec<&Tree>) = branches.into_iter().unzip();
        let mut kinds = Vec::new();
        let mut bound = Vec::new();
        for result in results {
            let (node, kind) = self.node(result)?;
            bound.push(node);
            kinds.push(kind);
        }
        let otherwise = match otherwise {
            Some(otherwise) => {
                let (node, kind) = self.node(otherwise)?;
                kinds.push(kind);
                Some(Box::new(node))
            }
            None => None,
        };
        let node = match operand {
            Some(operand) => {
                let compared = std::iter::once(operand).chain(conditions);
                let (mode, mut nodes) = self.alike(tree, compared)?;
                let operand = Box::new(nodes.remove(0));
                let branches = nodes.into_iter().zip(bound).collect();
                Node::Switch { mode, operand, branches, otherwise }
            }
            None => {
                let conditions: Result<Vec<Node>, _> =
                    conditions.into_iter().map(|tree| self.needed(tree, Kind::Boolean)).collect();
                Node::Case { branches: conditions?.into_iter().zip(bound).collect(), otherwise }
            }
        };
        Ok((node, Kind::of_any(kinds)))
    }

    fn call(
        &mut self,
        tree: &Tree,
        function: &'static Function,
    ) -> Result<(Node, Kind), ExpressionError> {
        let (mode, arguments, kind) = match function.returns {
            Returns::Alike => {
                let parts = self.parts(&tree.children)?;
                let kind = Kind::of_any(parts.iter().map(|(_, kind, _)| *kind));
                let (mode, nodes) = self.settle_alike(tree, parts)?;
                (mode, nodes, kind)
            }
            Returns::Kind(kind) => {
                let arguments = tree.children.iter().enumerate();
                let arguments: Result<Vec<Node>, _> =
                    arguments.map(|(at, tree)| self.needed(tree, function.needs(at))).collect();
                (Mode::Text, arguments?, kind)
            }
        };
        let regex = match (function.check, arguments.get(1)) {
            (Some((1, Check::Regex)), Some(Node::Literal(Value::Text(pattern)))) => {
                let pattern = String::from_utf8_lossy(pattern);
                let wrong = |error| self.error(functions::regex::wrong(&error), &tree.children[1]);
                Some(regex::bytes::Regex::new(&pattern).map_err(wrong)?)
            }
            _ => None,
        };
        Ok((Node::Call(Box::new(Call { function, arguments, mode, regex })), kind))
    }

    /// Nodes that are compared with each other, and the mode of the comparison.
    fn alike<'t>(
        &mut self,
        tree: &Tree,
        trees: impl IntoIterator<Item = &'t Tree>,
    ) -> Result<(Mode, Vec<Node>), ExpressionError> {
        let parts = self.parts(trees)?;
        self.settle_alike(tree, parts)
    }

    fn settle_alike(
        &self,
        tree: &Tree,
        parts: Vec<Part<'_>>,
    ) -> Result<(Mode, Vec<Node>), ExpressionError> {
        let kinds: Vec<Kind> = parts.iter().map(|(_, kind, _)| *kind).collect();
        let Some(mode) = Kind::mode(&kinds) else {
            let other = if kinds.contains(&Kind::Boolean) { "boolean" } else { "number" };
            return Err(self.error(format!("a date cannot be compared with a {other}"), tree));
        };
        let nodes: Result<Vec<Node>, _> =
            parts.into_iter().map(|(node, _, tree)| self.settle(node, mode, tree)).collect();
        Ok((mode, nodes?))
    }

    fn parts<'t>(
        &mut self,
        trees: impl IntoIterator<Item = &'t Tree>,
    ) -> Result<Vec<Part<'t>>, ExpressionError> {
        trees
            .into_iter()
            .map(|tree| self.node(tree).map(|(node, kind)| (node, kind, tree)))
            .collect()
    }

    fn all(&mut self, trees: &[Tree], kind: Kind) -> Result<Vec<Node>, ExpressionError> {
        trees.iter().map(|tree| self.needed(tree, kind)).collect()
    }

    fn boxed(&mut self, tree: &Tree, kind: Kind) -> Result<Box<Node>, ExpressionError> {
        self.needed(tree, kind).map(Box::new)
    }

    /// The node for an operand that must be of some kind.
    fn needed(&mut self, tree: &Tree, needed: Kind) -> Result<Node, ExpressionError> {
        let (node, kind) = self.node(tree)?;
        let (mode, wrong) = match (needed, kind) {
            (Kind::Any | Kind::Text, _) => return Ok(node),
            (Kind::Number, Kind::Date) => (Mode::Number, Some("a date is not a number")),
            (Kind::Number, _) => (Mode::Number, None),
            (Kind::Boolean, Kind::Date) => (Mode::Boolean, Some("a date is not a condition")),
            (Kind::Boolean, _) => (Mode::Boolean, None),
            (Kind::Date, Kind::Number) => (Mode::Date, Some("a number is not a date")),
            (Kind::Date, Kind::Boolean) => (Mode::Date, Some("a boolean is not a date")),
            (Kind::Date, _) => (Mode::Date, None),
        };
        match wrong {
            Some(message) if needed == Kind::Number => {
                Err(self.error(message, tree).hint("see date_add and date_diff"))
            }
            Some(message) => Err(self.error(message, tree)),
            None => self.settle(node, mode, tree),
        }
    }

    /// Parses a literal text once, in the mode in which it is compared.
    fn settle(&self, node: Node, mode: Mode, tree: &Tree) -> Result<Node, ExpressionError> {
        let Node::Literal(Value::Text(text)) = &node else { return Ok(node) };
        let (value, what) = match mode {
            Mode::Text => return Ok(node),
            Mode::Number => (
                match read(text) {
                    Reading::Number(number) => Some(Value::Number(number)),
                    // `v <> 'nan'` would always be NULL, which no one intends.
                    Reading::Null => trim(text).is_empty().then_some(Value::Null),
                    Reading::Bad => None,
                },
                "number",
            ),
            _ if trim(text).is_empty() => (Some(Value::Null), ""),
            Mode::Boolean => (read_boolean(text).map(Value::Boolean), "boolean"),
            Mode::Date => {
                let datetime = || read_datetime(text).map(Value::Datetime);
                (read_date(text).map(Value::Date).or_else(datetime), "date")
            }
        };
        let message = || format!("{} is not a {what}", self.source_of(tree));
        value.map(Node::Literal).ok_or_else(|| self.error(message(), tree))
    }

    fn source_of(&self, tree: &Tree) -> &str {
        self.source.get(tree.span.clone()).unwrap_or_default()
    }

    fn error(&self, message: impl Into<String>, tree: &Tree) -> ExpressionError {
        ExpressionError::new(message, self.source, tree.span.clone())
    }
}

fn boolean(boolean: bool) -> (Node, Kind) {
    (Node::Literal(Value::Boolean(boolean)), Kind::Boolean)
}

/// Keeps the text; it is parsed as a number only where a number is needed.
fn parameter(text: &str) -> (Node, Kind) {
    let number = matches!(read(text.as_bytes()), Reading::Number(_));
    let kind = if number { Kind::Number } else { Kind::Text };
    (Node::Literal(Value::text(text.as_bytes().to_vec())), kind)
}

fn kind_of(value: &Value<'_>) -> Kind {
    match value {
        Value::Null => Kind::Any,
        Value::Boolean(_) => Kind::Boolean,
        Value::Number(_) => Kind::Number,
        Value::Text(_) => Kind::Text,
        Value::Date(_) | Value::Datetime(_) => Kind::Date,
    }
}

/// Sorts a list of literals.
fn list(mode: Mode, nodes: Vec<Node>) -> List {
    let literal = |node: &Node| match node {
        Node::Literal(Value::Null) => true,
        Node::Literal(Value::Number(_)) => mode == Mode::Number,
        Node::Literal(Value::Text(_)) => mode == Mode::Text,
        _ => false,
    };
    if !nodes.iter().all(literal) || !matches!(mode, Mode::Text | Mode::Number) {
        return List::Nodes(nodes);
    }
    let null = nodes.iter().any(|node| matches!(node, Node::Literal(Value::Null)));
    let (mut texts, mut numbers): (Vec<Vec<u8>>, Vec<Number>) = Default::default();
    for node in nodes {
        match node {
            Node::Literal(Value::Text(text)) => texts.push(text.into_owned()),
            Node::Literal(Value::Number(number)) => numbers.push(number),
            _ => {}
        }
    }
    if mode == Mode::Text {
        texts.sort_unstable();
        List::Texts { texts, null }
    } else {
        numbers.sort_unstable_by(|a, b| a.compare(*b));
        List::Numbers { numbers, null }
    }
}
