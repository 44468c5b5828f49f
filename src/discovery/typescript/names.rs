//! What an expression may refer to, and where it stands.

use std::collections::HashMap;
use std::sync::Arc;

use super::ir::Span;
use crate::discovery::value::{Node, Poison, Pos, SourceFile, Value, shorten};

/// Where names come from.
pub(crate) trait Names {
    /// The value of a name; `None` where there is no such name.
    fn get(&mut self, name: &str, at: &At<'_>) -> Option<Arc<Node>>;

    /// `name.key` where the name stands for a whole module.
    fn get_from_namespace(&mut self, name: &str, key: &str, at: &At<'_>) -> Option<Arc<Node>> {
        let _ = (name, key, at);
        None
    }

    /// Counts what is evaluated and copied; `false` once it is too much. A few lines
    /// can double a list again and again.
    fn spend(&mut self, cost: usize) -> bool {
        let _ = cost;
        true
    }
}

/// The place of an expression.
pub(crate) struct At<'e> {
    pub(crate) file: &'e Arc<SourceFile>,
    pub(crate) span: Span,
    pub(crate) depth: u32,
}

impl At<'_> {
    pub(crate) fn pos(&self) -> Pos {
        Pos {
            file: self.file.clone(),
            offset: self.span.start,
        }
    }

    pub(crate) fn node(&self, value: Value) -> Arc<Node> {
        Node::new(self.pos(), value)
    }

    pub(crate) fn poison(&self, why: impl Into<String>) -> Arc<Node> {
        let (start, end) = (self.span.start as usize, self.span.end as usize);
        let text = self.file.text.get(start..end).unwrap_or_default();
        let poison = Poison {
            pos: self.pos(),
            expression: shorten(text, 80),
            why: why.into(),
        };
        self.node(Value::Poison(Arc::new(poison)))
    }
}

/// A fixed set of names, such as a rule's `item`.
impl Names for HashMap<&str, Arc<Node>> {
    fn get(&mut self, name: &str, _: &At<'_>) -> Option<Arc<Node>> {
        HashMap::get(self, name).cloned()
    }
}
