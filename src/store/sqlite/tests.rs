//! Faults that need the inside of the store to happen.
