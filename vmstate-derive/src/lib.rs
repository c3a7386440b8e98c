//! The derive macro of the `vmstate` crate.
