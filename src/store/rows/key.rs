//! API keys.

use super::{Cells, Columns, Fault};
use crate::access::{ApiKey, KeyHash, KeyId};

/// All columns.
macro_rules! key_columns {
    () => {
        "id, name, role, hash, create_time, expire_time, revoke_time, last_use_time"
    };
}
pub(in crate::store) use key_columns;

pub(in crate::store) fn key(row: &impl Cells) -> Result<ApiKey, Fault> {
    let columns = Columns::new(row, "api_keys");
    let hash = KeyHash::from_hex(columns.text("hash")?);
    Ok(ApiKey {
        id: columns.parse("id", KeyId::new)?,
        name: columns.owned("name")?,
        role: columns.parse("role", |role| role.parse().ok())?,
        // What stands there instead is for no log.
        hash: hash.ok_or_else(|| columns.bad("hash", "it is no SHA-256"))?,
        create_time: columns.time("create_time")?,
        expire_time: columns.time_or_null("expire_time")?,
        revoke_time: columns.time_or_null("revoke_time")?,
        last_use_time: columns.time_or_null("last_use_time")?,
    })
}
