//! What the dashboard's templates are filled with: plain values, ready to be shown.
//! Nothing here fetches, computes or formats: that is done by whoever fills them.
//!
//! A struct with a template is a page, or a part that other templates write as
//! `{{ part }}`. The domain's kinds and states stand in them as they are: `shown` has
//! their labels, icons and tones, so that every page calls a thing by the same name.

pub mod configuration;
pub mod drift;
pub mod error;
pub mod events;
pub mod login;
pub mod overview;
pub mod parts;
pub mod preview;
pub mod product;
pub mod run;
pub mod runs;
pub mod schedules;
pub mod shell;
mod shown;
