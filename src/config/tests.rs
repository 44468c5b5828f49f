//! The rules as a whole: layers, mistakes, setups.
