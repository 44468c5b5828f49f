//! Sources → catalog. (Under construction in this commit.)

pub(crate) mod number;
pub(crate) mod typescript;
pub(crate) mod value;
pub(crate) mod walk;
