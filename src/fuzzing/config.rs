//! The configuration file.

use super::promises;
use crate::config;

/// The file `stripe-product-sync.toml`. A configuration that is taken has every key
/// once; one that is refused says what is wrong in lines that can be shown, and
/// never shows a secret.
pub fn config(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    match config::load_text(text) {
        Ok(config) => {
            let keys: Vec<&str> = config.effective().iter().map(|s| s.key.as_str()).collect();
            assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
            for setting in config.effective() {
                promises::line(&setting.key, &setting.value);
            }
            for notice in config.notices() {
                promises::line("notice", &notice.to_string());
            }
        }
        Err(errors) => {
            assert!(!errors.mistakes().is_empty(), "a refusal says why");
            for mistake in errors.mistakes() {
                promises::line("mistake", &mistake.to_string());
                promises::bounded("mistake", &mistake.to_string(), 1000);
            }
        }
    }
}
