//! What a benchmark is told on the command line.

pub struct Arguments {
    /// Sizes of the store; how a request's cost grows from the first to the last is told at the end.
    pub versions: Vec<u64>,
    /// How long each query is measured.
    pub seconds: f64,
}

impl Arguments {
    /// Reads the command line; sizes that it does not name are `versions`.
    pub fn read(versions: &[u64]) -> Self {
        let named = |sizes: String| sizes.split(',').map(|n| n.parse().unwrap()).collect();
        Self {
            versions: value("--versions").map_or_else(|| versions.to_vec(), named),
            seconds: value("--seconds").map_or(2.0, |n| n.parse().unwrap()),
        }
    }
}

/// What follows a flag.
pub fn value(flag: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != flag).nth(1)
}
