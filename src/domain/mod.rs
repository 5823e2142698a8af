//! Plain values that every floor speaks of: time, keys, URIs, filters and records. No I/O and no rules that need the store.

pub mod filter;
pub mod json;
pub mod key;
pub mod openlineage;
pub mod partition;
pub mod record;
pub mod time;
pub mod uri;

use std::fmt;

/// What a caller gave and cannot be used: which argument, and one sentence that says what was wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The argument, as a dotted path from the input it stands in, such as `partition.values`.
    pub argument: String,
    /// The sentence.
    pub message: String,
}

impl Invalid {
    /// Names the argument and says what is wrong with it.
    pub fn new(argument: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            argument: argument.into(),
            message: message.into(),
        }
    }

    /// The same complaint about an argument that stands inside `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.argument = if self.argument.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}.{}", self.argument)
        };
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
