//! `keys create`, `keys list` and `keys revoke`: who may use the service. They work
//! on the database itself: before there is a key, nobody could ask a service.

use std::time::Duration;

use serde_json::{Value, json};

use super::admission::new_key;
use super::args;
use super::connect;
use super::database::Database;
use super::exit::{Exit, Failure};
use super::table::Table;
use super::{Context, format};
use crate::access::{ApiKey, KeyId, Token};
use crate::engine::clock;
use crate::store::Timestamp;

pub(super) async fn run(context: &Context, args: &args::Keys) -> Result<Exit, Failure> {
    if context.global.server.is_some() {
        return Err(
            Failure::usage("keys are managed where the database is, not through --server")
                .hint("run it there, with the service's own configuration"),
        );
    }
    // Said before anything is opened.
    let id = match args {
        args::Keys::Revoke { id } => Some(named(id)?),
        args::Keys::Create(_) | args::Keys::List => None,
    };
    let config = context.database()?;
    let access = connect::access_beside(&config.url).await?;
    let database = Database::open(&config.database, access).await?;
    let ended = match (args, id) {
        (args::Keys::Create(new), _) => create(context, &database, new).await,
        (args::Keys::Revoke { .. }, Some(id)) => revoke(context, &database, &id).await,
        (args::Keys::List | args::Keys::Revoke { .. }, _) => list(context, &database).await,
    };
    database.close().await;
    ended
}

async fn create(
    context: &Context,
    database: &Database,
    new: &args::CreateKey,
) -> Result<Exit, Failure> {
    let token = new_key()?;
    let now = now();
    let key = ApiKey {
        id: token.id(),
        name: new.name.clone(),
        role: new.role.into(),
        hash: token.hash(),
        create_time: now,
        expire_time: new.expires.map(|lasts| after(now, lasts)),
        revoke_time: None,
        last_use_time: None,
    };
    let store = database.store();
    store.add_api_key(&key).await?;
    let printer = &context.printer;
    if printer.is_json() {
        let made = json!({
            "id": key.id.as_str(),
            "name": key.name,
            "role": key.role.as_str(),
            "key": token.expose(),
            "create_time": written(Some(key.create_time)),
            "expire_time": written(key.expire_time),
        });
        printer.line(format!("{made:#}"));
    } else {
        printer.line(token.expose());
    }
    printer.talk("This is the whole key. It is shown only now: its hash is all that is kept.");
    let mut table = Table::bare(&["", ""]);
    for (what, value) in [
        ("id", key.id.to_string()),
        ("name", key.name),
        ("role", key.role.to_string()),
        ("expires", shown(key.expire_time, "never")),
        ("kept in", store.info().location),
    ] {
        table.row([what.to_owned(), value]);
    }
    for line in table.lines() {
        printer.talk(line);
    }
    printer.talk(
        "From now on a service on this database asks every caller for a key, unless \
         auth.required is false.",
    );
    printer.hint(
        "clients send it as the header `authorization: Bearer sps_…`; commands take it from the \
         variable SPS_API_KEY",
    );
    Ok(Exit::Done)
}

async fn list(context: &Context, database: &Database) -> Result<Exit, Failure> {
    let keys = database.store().api_keys().await?;
    let (printer, now) = (&context.printer, now());
    if printer.is_json() {
        let keys: Vec<Value> = keys.iter().map(|key| object(key, now)).collect();
        printer.line(format!("{:#}", json!({ "keys": keys })));
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        printer.talk("no keys");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "ID",
        "NAME",
        "ROLE",
        "STATE",
        "CREATED",
        "EXPIRES",
        "LAST USED",
    ]);
    for key in keys {
        table.row([
            key.id.to_string(),
            key.name.clone(),
            key.role.to_string(),
            key.state(now).as_str().to_owned(),
            shown(Some(key.create_time), "-"),
            shown(key.expire_time, "never"),
            shown(key.last_use_time, "never"),
        ]);
    }
    printer.table(&table);
    Ok(Exit::Done)
}

async fn revoke(context: &Context, database: &Database, id: &KeyId) -> Result<Exit, Failure> {
    let (store, now) = (database.store(), now());
    let Some(key) = store.revoke_api_key(id, now).await? else {
        let place = store.info().location;
        return Err(Failure::usage(format!("no key has the id {id} in {place}"))
            .hint("`keys list` shows every key; is it another database's?"));
    };
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(format!("{:#}", object(&key, now)));
    } else {
        printer.line(format!(
            "{id} of {} ({}) is revoked since {}",
            key.name,
            key.role,
            shown(key.revoke_time, "-"),
        ));
    }
    printer.talk("services that run refuse it within 5 seconds");
    Ok(Exit::Done)
}

/// The id of a key, as it is or as part of the whole key, which may be all that its
/// holder has. What was given is not repeated: it may be a secret.
fn named(text: &str) -> Result<KeyId, Failure> {
    let text = text.trim();
    if let Some(id) = KeyId::new(text) {
        return Ok(id);
    }
    match Token::parse(text) {
        Ok(token) => Ok(token.id()),
        Err(error) if text.starts_with("sps_") => Err(Failure::usage(format!("the key {error}"))
            .hint("or give its id: the 12 characters after sps_")),
        Err(_) => Err(Failure::usage("that is no key's id")
            .hint("an id has 12 letters and digits; `keys list` shows them")),
    }
}

fn object(key: &ApiKey, now: Timestamp) -> Value {
    json!({
        "id": key.id.as_str(),
        "name": key.name,
        "role": key.role.as_str(),
        "state": key.state(now).as_str(),
        "create_time": written(Some(key.create_time)),
        "expire_time": written(key.expire_time),
        "revoke_time": written(key.revoke_time),
        "last_use_time": written(key.last_use_time),
    })
}

fn now() -> Timestamp {
    clock::system()()
}

fn after(now: Timestamp, lasts: Duration) -> Timestamp {
    now.checked_add_signed(chrono::TimeDelta::from_std(lasts).unwrap_or(chrono::TimeDelta::MAX))
        .unwrap_or(Timestamp::MAX_UTC)
}

/// For programs; null where there is none.
fn written(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// For people.
fn shown(time: Option<Timestamp>, none: &str) -> String {
    time.map_or_else(|| none.to_owned(), format::moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_id_or_itself_and_never_repeated() {
        let token = Token::generate(|_| Ok::<_, ()>(())).unwrap();
        let whole = token.expose();
        for text in [token.id().as_str(), whole, &format!(" {whole}\n")] {
            assert_eq!(named(text), Ok(token.id()));
        }
        let cut = &whole[..whole.len() - 1];
        for (text, says) in [
            (cut, "cut short"),
            ("secret!", "no key's id"),
            ("", "no key's id"),
        ] {
            let failure = named(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            let told = format!("{} {}", failure.message, failure.hint);
            assert!(told.contains(says), "{told}");
            assert!(text.is_empty() || !told.contains(text), "{told}");
        }
    }

    #[test]
    fn a_key_without_an_end_in_sight_has_the_last_one() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(after(now, Duration::from_secs(1)).timestamp(), 1);
        assert_eq!(after(now, Duration::MAX), Timestamp::MAX_UTC);
    }
}
