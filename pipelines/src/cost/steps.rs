//! Work of giving a pattern's syntax tree its meaning: nearly all of it is in classes of characters.

use regex_syntax::ast::{self, Ast, ClassSetItem, Flag, FlagsItemKind};

/// Steps of a class such as `\p{L}`: so many ranges are put together.
const PROPERTY: usize = 2_000;
/// Steps of such a class where letters of either case are the same: each of its characters is looked up.
const FOLDED_PROPERTY: usize = 150_000;

/// Steps that a pattern takes.
pub(super) fn of(tree: &Ast) -> usize {
    let folded = ast::visit(tree, Folds::default()).unwrap_or(true);
    ast::visit(tree, Steps { folded, steps: 0, items: Vec::new() }).unwrap_or(usize::MAX)
}

/// Returns whether a flag makes letters of either case the same anywhere.
#[derive(Default)]
struct Folds(bool);

impl ast::Visitor for Folds {
    type Output = bool;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<bool, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        let flags = match tree {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            _ => None,
        };
        let ignores = |flags: &ast::Flags| {
            flags.items.iter().any(|item| item.kind == FlagsItemKind::Flag(Flag::CaseInsensitive))
        };
        self.0 |= flags.is_some_and(ignores);
        Ok(())
    }
}

struct Steps {
    folded: bool,
    steps: usize,
    /// Number of items of each class that is open.
    items: Vec<usize>,
}

impl Steps {
    fn add(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(steps);
    }

    fn property(&self) -> usize {
        if self.folded { FOLDED_PROPERTY } else { PROPERTY }
    }
}

impl ast::Visitor for Steps {
    type Output = usize;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<usize, Self::Err> {
        Ok(self.steps)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        match tree {
            Ast::ClassUnicode(_) => self.add(self.property()),
            Ast::ClassBracketed(_) => self.items.push(0),
            _ => self.add(1),
        }
        Ok(())
    }

    fn visit_post(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        if let Ast::ClassBracketed(_) = tree {
            // Each item is put among those that are there.
            let items = self.items.pop().unwrap_or_default();
            self.add(items.saturating_mul(items).saturating_mul(4));
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        let steps = match item {
            ClassSetItem::Unicode(_) => self.property(),
            ClassSetItem::Range(range) if self.folded => {
                u32::from(range.end.c).saturating_sub(u32::from(range.start.c)) as usize
            }
            _ => 1,
        };
        self.add(steps);
        if let Some(items) = self.items.last_mut() {
            *items += 1;
        }
        Ok(())
    }
}
