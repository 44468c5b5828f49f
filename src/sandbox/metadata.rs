//! Metadata: merged per key, unset by an empty value, within Stripe's limits.
//! <https://docs.stripe.com/api/metadata>

use std::collections::BTreeMap;

use super::error::ApiError;
use super::params::Fields;

/// An object's metadata.
pub(super) type Metadata = BTreeMap<String, String>;

const MAX_KEYS: usize = 50;
const MAX_KEY: usize = 40;
const MAX_VALUE: usize = 500;

/// What a request does to an object's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Edit {
    #[default]
    Keep,
    /// `metadata=`
    ClearAll,
    /// `None` unsets the key.
    Merge(Vec<(String, Option<String>)>),
}

impl Edit {
    /// Reads `metadata` of an update.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        if fields.is_empty_text("metadata") {
            return Ok(Self::ClearAll);
        }
        let Some(entries) = fields.map("metadata")? else {
            return Ok(Self::Keep);
        };
        let mut merge = Vec::with_capacity(entries.len());
        for (key, item) in entries {
            if key.trim().is_empty() {
                return Err(ApiError::invalid("Metadata keys must not be blank.")
                    .with_param(fields.path("metadata")));
            }
            let length = key.chars().count();
            if length > MAX_KEY {
                return Err(ApiError::invalid(format!(
                    "Metadata keys can have up to {MAX_KEY} characters, but you passed in a key that is {length} \
                     characters. Invalid key: {key}"
                ))
                .with_param(fields.path("metadata")));
            }
            let value = item.raw()?;
            let length = value.chars().count();
            if length > MAX_VALUE {
                return Err(ApiError::invalid(format!(
                    "Metadata values can have up to {MAX_VALUE} characters, but you passed in a value that is {length} \
                     characters. Invalid value: {value}"
                ))
                .with_param(item.path));
            }
            merge.push((
                key.to_owned(),
                Some(value.to_owned()).filter(|value| !value.is_empty()),
            ));
        }
        let edit = Self::Merge(merge);
        // Too many new keys in one request is seen without the object.
        edit.apply(&mut Metadata::new())
            .map_err(|error| error.with_param(fields.path("metadata")))?;
        Ok(edit)
    }

    /// Reads `metadata` of a create, which has nothing to unset.
    pub(super) fn read_new(fields: &Fields<'_>) -> Result<Metadata, ApiError> {
        if fields.is_empty_text("metadata") {
            return Err(ApiError::empty(fields.path("metadata")));
        }
        let mut metadata = Metadata::new();
        Self::read(fields)?.apply(&mut metadata)?;
        Ok(metadata)
    }

    /// # Errors
    /// 400 if the object would have more than 50 keys.
    pub(super) fn apply(&self, metadata: &mut Metadata) -> Result<(), ApiError> {
        match self {
            Self::Keep => {}
            Self::ClearAll => metadata.clear(),
            Self::Merge(entries) => {
                for (key, value) in entries {
                    match value {
                        Some(value) => metadata.insert(key.clone(), value.clone()),
                        None => metadata.remove(key),
                    };
                }
            }
        }
        if metadata.len() > MAX_KEYS {
            return Err(ApiError::invalid(format!(
                "Metadata can have up to {MAX_KEYS} keys, but this object would have {}.",
                metadata.len()
            ))
            .with_param("metadata"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::form;
    use super::*;

    fn read(raw: &str) -> Result<Edit, ApiError> {
        let node = form::tree(&form::pairs(raw.as_bytes()).unwrap()).unwrap();
        Edit::read(&Fields::new(&node, "", &["metadata"])?)
    }

    #[test]
    fn merges_and_unsets_per_key() {
        let mut metadata = Metadata::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        read("metadata[a]=&metadata[c]=3")
            .unwrap()
            .apply(&mut metadata)
            .unwrap();
        assert_eq!(
            metadata,
            Metadata::from([("b".into(), "2".into()), ("c".into(), "3".into())])
        );
        read("metadata=").unwrap().apply(&mut metadata).unwrap();
        assert!(metadata.is_empty());
    }

    #[test]
    fn holds_the_limits_in_characters() {
        let key = |length: usize| format!("metadata[{}]=x", "ü".repeat(length));
        assert!(read(&key(40)).is_ok());
        assert!(read(&key(41)).is_err());
        let value = |length: usize| format!("metadata[k]={}", "ü".repeat(length));
        assert!(read(&value(500)).is_ok());
        assert!(read(&value(501)).is_err());
        let keys = |count: usize| {
            (0..count)
                .map(|n| format!("metadata[k{n}]=x&"))
                .collect::<String>()
        };
        assert!(read(&keys(51)).is_err());
        let mut metadata = Metadata::new();
        read(&keys(50)).unwrap().apply(&mut metadata).unwrap();
        let error = read("metadata[one_more]=x")
            .unwrap()
            .apply(&mut metadata)
            .unwrap_err();
        assert_eq!(error.param.as_deref(), Some("metadata"));
        assert!(read("metadata[k][deeper]=x").is_err());
        assert!(read("metadata[]=x").is_err());
        assert!(read("metadata[+]=x").is_err());
        assert!(read("metadata=x").is_err());
    }
}
