//! Nodes of the graph, in four bytes.

/// What a node is. The order of the kinds is the order in which an answer shows nodes of the same distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A named thing that gets versions.
    Artifact,
    /// One distinct combination of partition values of one artifact.
    Partition,
    /// One immutable materialisation of an artifact.
    Version,
    /// One run of a workflow or a task.
    Execution,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Artifact, Self::Partition, Self::Version, Self::Execution];

    /// As the type is called in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Artifact => "Artifact",
            Self::Partition => "Partition",
            Self::Version => "Version",
            Self::Execution => "Execution",
        }
    }
}

/// A node: its kind and its number. Nodes are ordered by kind, then in order of recording.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

/// How many bits a number has; the kind takes the other two.
const NUMBER_BITS: u32 = 30;

impl Node {
    /// The greatest number of a node: 2^30 - 1.
    pub const NUMBER_MAXIMUM: i64 = (1 << NUMBER_BITS) - 1;

    /// The node of a kind with a number, which must not exceed [`Node::NUMBER_MAXIMUM`].
    pub(super) const fn new(kind: Kind, number: u32) -> Self {
        Self((kind as u32) << NUMBER_BITS | number)
    }

    /// The node of a kind with a stored id; none when no node of the graph can have it.
    pub fn of_id(kind: Kind, id: i64) -> Option<Self> {
        let number = u32::try_from(id).ok().filter(|_| id <= Self::NUMBER_MAXIMUM)?;
        Some(Self::new(kind, number))
    }

    /// Its kind.
    pub const fn kind(self) -> Kind {
        Kind::ALL[(self.0 >> NUMBER_BITS) as usize]
    }

    /// Its number.
    pub(super) const fn number(self) -> u32 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    /// Its stored id.
    pub const fn id(self) -> i64 {
        self.number() as i64
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Node};

    #[test]
    fn nodes_are_ordered_by_kind_and_number() {
        let mut nodes = Vec::new();
        for kind in Kind::ALL {
            for number in [0, 1, 1 << 20, (1 << 30) - 1] {
                let node = Node::of_id(kind, number).unwrap();
                assert_eq!((node.kind(), node.id()), (kind, number));
                nodes.push(node);
            }
        }
        assert!(nodes.is_sorted());
        assert_eq!(Node::of_id(Kind::Version, 1 << 30), None);
        assert_eq!(Node::of_id(Kind::Version, -1), None);
    }
}
