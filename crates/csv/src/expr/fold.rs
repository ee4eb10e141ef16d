//! Folds constants before any name is resolved. Unreachable branches are dropped, together with the
//! columns and aggregates that they name.

use super::bind::{Binder, Names};
use super::evaluate::{Cells, Context, LONGEST};
use super::functions::Shape;
use super::tree::{Form, Tree};
use super::value::Value;

/// Folds constants. `has_column` is a constant, `now()` and `today()` are not.
pub(super) fn fold(tree: &Tree, names: &dyn Names, source: &str) -> Tree {
    if let Form::HasColumn(name) = &tree.form {
        let found = Value::Boolean(names.find(name) != Ok(None));
        return Tree::literal(found, tree.span.clone());
    }
    let children = tree.children.iter().map(|child| fold(child, names, source)).collect();
    let tree = Tree::new(tree.form.clone(), children, tree.span.clone());
    match tree.form {
        Form::And => fold_condition(tree, false),
        Form::Or => fold_condition(tree, true),
        Form::Coalesce => fold_coalesce(tree),
        Form::Case { operand: false, .. } => fold_case(tree),
        _ => fold_constant(tree, names, source),
    }
}

/// Folds `AND` (`deciding` is false) or `OR` (true).
fn fold_condition(mut tree: Tree, deciding: bool) -> Tree {
    let truth = |child: &Tree| child.constant().and_then(|value| value.truth());
    if tree.children.iter().any(|child| truth(child) == Some(deciding)) {
        return Tree::literal(Value::Boolean(deciding), tree.span);
    }
    tree.children.retain(|child| truth(child).is_none());
    if tree.children.is_empty() {
        return Tree::literal(Value::Boolean(!deciding), tree.span);
    }
    tree
}

fn fold_coalesce(mut tree: Tree) -> Tree {
    let null = |child: &Tree| child.constant() == Some(Value::Null);
    tree.children.retain(|child| !null(child));
    if let Some(decides) = tree.children.iter().position(|child| child.constant().is_some()) {
        tree.children.truncate(decides + 1);
    }
    match tree.children.len() {
        0 => Tree::literal(Value::Null, tree.span),
        1 => tree.children.remove(0),
        _ => tree,
    }
}

fn fold_case(tree: Tree) -> Tree {
    let (_, branches, otherwise) = tree.case();
    let mut kept = Vec::new();
    let mut last = otherwise;
    for (condition, result) in branches {
        match condition.constant().map(|value| (value.truth(), value)) {
            Some((Some(true), _)) => {
                last = Some(result);
                break;
            }
            Some((Some(false), _) | (None, Value::Null)) => {}
            _ => kept.extend([condition.clone(), result.clone()]),
        }
    }
    let last = last.cloned();
    if kept.is_empty() {
        return last.unwrap_or_else(|| Tree::literal(Value::Null, tree.span.clone()));
    }
    let form = Form::Case { operand: false, otherwise: last.is_some() };
    kept.extend(last);
    Tree::new(form, kept, tree.span)
}

fn fold_constant(tree: Tree, names: &dyn Names, source: &str) -> Tree {
    let pure = match &tree.form {
        Form::Literal(_) | Form::Parameter(_) | Form::Column(_) | Form::Aggregate(_) => false,
        Form::Call(function) => !matches!(function.shape, Shape::Clock(_)),
        _ => true,
    };
    if !pure || tree.children.iter().any(|child| child.constant().is_none()) {
        return tree;
    }
    // An error in it is reported at binding, if it is still there.
    let Ok((node, _)) = Binder::new(names, source).node(&tree) else { return tree };
    let context = Context { aggregates: &[], now: jiff::civil::DateTime::ZERO, longest: LONGEST };
    let mut bad = None;
    let value = node.evaluate(&NoCells, &context, &mut bad).into_owned();
    if bad.is_some() { tree } else { Tree::literal(value, tree.span) }
}

struct NoCells;

impl Cells for NoCells {
    fn cell(&self, _: usize) -> Option<std::borrow::Cow<'_, [u8]>> {
        None
    }
}
