//! An expression from text to evaluation: parsed once per recipe, folded and bound once per file.

use std::collections::{BTreeMap, BTreeSet};

use super::bind::{Binder, Bound, Names};
use super::error::ExpressionError;
use super::fold::fold;
use super::parse;
use super::tree::Tree;

/// A parsed expression.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    source: String,
    tree: Tree,
    /// Names of its parameters.
    pub(crate) parameters: BTreeSet<String>,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// Errors that do not depend on the columns.
    pub(crate) fn parse(
        source: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Expression, ExpressionError> {
        let mut used = BTreeSet::new();
        let tree = parse::parse(source, parameters, &mut used)?;
        Ok(Expression { source: source.to_owned(), tree, parameters: used })
    }

    /// Returns whether it has an aggregate in it, such as `max(value)`.
    pub(crate) fn has_aggregate(&self) -> bool {
        self.tree.has_aggregate()
    }

    /// Folds constants and resolves names.
    ///
    /// # Errors
    /// If a column is missing, or its declared type does not fit.
    pub(crate) fn bind(&self, names: &dyn Names) -> Result<Bound, ExpressionError> {
        let mut binder = Binder::new(names, &self.source);
        let (root, _) = binder.node(&fold(&self.tree, names, &self.source))?;
        let aggregates = binder.aggregates.into_iter().map(|(_, call)| call).collect();
        Ok(Bound { root, aggregates })
    }
}
