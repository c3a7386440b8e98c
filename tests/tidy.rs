//! Rules about the tree itself. A rule worth writing down is a test.

mod tidy {
    pub(crate) mod architectures;
    pub(crate) mod guest;
    pub(crate) mod layers;
    pub(crate) mod listed;
    pub(crate) mod sizes;
    pub(crate) mod text;
    pub(crate) mod tree;
    pub(crate) mod types;
}
