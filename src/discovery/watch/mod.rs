//! Whether anything changed that the discovery would read.
//!
//! The truth is in a [`Stamp`]: what the file system says of all those files. That
//! the system tells of changes only saves the wait until the next look: such
//! notices are lost where too much happens, and some file systems have none.

mod notices;
mod survey;

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::notices::Notices;
use super::Rules;

pub use self::survey::Stamp;

/// What a look at the files says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The same as long as no file changed.
    pub stamp: Stamp,
    /// Whether the system tells of changes. If not, only another look does.
    pub is_told: bool,
}

/// Looks at the files below a root, or at one document.
pub struct Lookout {
    root: PathBuf,
    rules: Rules,
    notices: Notices,
}

/// New folders are watched before what is in them is looked at; whoever makes
/// folders faster than that is seen at the next look.
const ROUNDS: usize = 8;

impl Lookout {
    /// `wake` is called, from a thread of its own, whenever something may have
    /// changed since the last look.
    pub fn new(root: PathBuf, rules: Rules, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            root: std::path::absolute(&root).unwrap_or(root),
            rules,
            notices: Notices::new(wake),
        }
    }

    /// Looks at all of it, and at the files that were read for others (as
    /// [`Catalog::imports`](crate::catalog::Catalog) says), opening none. Blocks.
    pub fn look(&mut self, imports: &BTreeSet<String>) -> Look {
        let mut survey = survey::survey(&self.root, &self.rules, imports);
        let mut is_told = false;
        for _ in 0..ROUNDS {
            let followed = self.notices.follow(&survey.folders);
            is_told = followed.is_complete;
            if !followed.is_new {
                break;
            }
            survey = survey::survey(&self.root, &self.rules, imports);
        }
        Look {
            stamp: survey.stamp,
            is_told,
        }
    }
}

#[cfg(test)]
mod tests;
