//! Where values come from, and which one holds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::{
    ConfigFile, LogFormat, OnRemoved, Override, Place, Rules, Schedule, Sources, Watch, load,
};
use super::{env, file, good, setting};
use crate::access::KeyRequired;

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = good(&Sources::default());
    assert_eq!(config.server.grpc_listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.server.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.stripe.api_base.as_str(), "https://api.stripe.com");
    assert!(config.stripe.lookup_keys);
    assert_eq!(config.stripe.product_id_prefix, "prod_");
    assert_eq!(config.stripe.lookup_key_prefix, "");
    assert_eq!(
        (config.stripe.max_attempts, config.stripe.retry_delay),
        (3, Duration::from_secs(1))
    );
    assert_eq!(config.stripe.endpoint_rate_limit, 25);
    assert_eq!(config.stripe.webhook_secrets, []);
    assert_eq!(config.database.schema, "public");
    assert_eq!(config.catalog.id, "main");
    assert_eq!(config.catalog.rules, Rules::Preset("ghostcrm".to_owned()));
    assert_eq!(config.catalog.watch, Watch::Off);
    assert!(config.catalog.min_price.is_empty() && config.catalog.max_price.is_empty());
    assert_eq!(config.sync.debounce, Duration::from_secs(5));
    assert_eq!(config.sync.max_wait, Duration::from_secs(30));
    assert_eq!(config.sync.max_archives, None);
    assert!(
        config
            .sync
            .trigger_events
            .contains(&"product.manual_sync".to_owned())
    );
    assert_eq!(config.schedule.validate, Schedule::Hourly);
    assert_eq!(config.schedule.sync, Schedule::Daily);
    assert_eq!(config.schedule.time_zone, chrono_tz::UTC);
    assert_eq!(config.schedule.jitter, Duration::from_secs(300));
    assert_eq!(config.validate.cache, Duration::from_secs(3600));
    assert_eq!(config.reports.dir.to_str(), Some("logs/stripe-sync"));
    assert_eq!(config.telemetry.log_format, LogFormat::Auto);
    assert!(config.auth.required == KeyRequired::OnceMade && config.tls.is_none());
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let mut section = String::new();
    let mut written = BTreeSet::new();
    for line in include_str!("../default.toml").lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let key = line.split_once(" = ").map(|(key, _)| key);
        let is_key = |key: &&str| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        written.extend(key.filter(is_key).map(|key| format!("{section}.{key}")));
    }
    let config = good(&Sources::default());
    let read: BTreeSet<String> = config
        .effective()
        .iter()
        .map(|setting| setting.key.clone())
        .collect();
    assert_eq!(read, written);
}

#[test]
fn flags_over_environment_over_file_over_defaults() {
    let text = "[catalog]\nid = \"file\"\nwatch = \"sync\"\n[sync]\non_removed = \"report\"\n";
    let (_dir, sources) = file(
        text,
        &[
            ("SPS_CATALOG__ID", "env"),
            ("SPS_CATALOG__WATCH", "rediscover"),
        ],
    );
    let flags = [
        Override::new("catalog.id", "flag", "--catalog-id"),
        Override::new("catalog.id", "last", "--catalog-id"),
    ];
    let config = load(&sources, &flags).unwrap();
    assert_eq!(config.catalog.id, "last");
    assert_eq!(config.catalog.watch, Watch::Rediscover);
    assert_eq!(config.sync.on_removed, OnRemoved::Report);
    assert_eq!(config.database.schema, "public");

    assert_eq!(
        setting(&config, "catalog.id").1,
        Place::Flag("--catalog-id".to_owned())
    );
    assert_eq!(
        setting(&config, "catalog.watch").1,
        Place::Env("SPS_CATALOG__WATCH".to_owned())
    );
    assert_eq!(
        setting(&config, "sync.on_removed").1.to_string(),
        "conf.toml:5"
    );
    assert_eq!(setting(&config, "database.schema").1, Place::Default);
}

#[test]
fn the_default_file_may_be_absent_and_is_read_when_present() {
    let dir = tempfile::tempdir().unwrap();
    let sources = Sources {
        file: ConfigFile::IfPresent("stripe-product-sync.toml".into()),
        dir: dir.path().to_owned(),
        ..Sources::default()
    };
    assert_eq!(good(&sources).catalog.id, "main");
    std::fs::write(
        dir.path().join("stripe-product-sync.toml"),
        "catalog.id = \"other\"",
    )
    .unwrap();
    assert_eq!(good(&sources).catalog.id, "other");
}

#[test]
fn the_environment_writes_every_type() {
    let config = good(&env(&[
        ("SPS_STRIPE__LOOKUP_KEYS", "false"),
        ("SPS_STRIPE__RATE_LIMIT", "7"),
        ("SPS_SYNC__DEBOUNCE", "250ms"),
        ("SPS_SYNC__MAX_ARCHIVES", "0"),
        ("SPS_SYNC__TRIGGER_EVENTS", r#"["a.b", "c.d"]"#),
        ("SPS_CATALOG__ID", "123"),
        ("SPS_CATALOG__RULES", "\"./mine.toml\""),
        ("SPS_CATALOG__MIN_PRICE", "{ usd = 0.10, JPY = \"100\" }"),
        ("SPS_CATALOG__MAX_PRICE__USD", "5000.10"),
        ("SPS_SCHEDULE__SYNC", " 30 4  * * mon-FRI"),
        ("SPS_SCHEDULE__TIME_ZONE", "Europe/Berlin"),
        ("SPS_SERVER__HTTP_LISTEN", ""),
    ]));
    assert!(!config.stripe.lookup_keys);
    assert_eq!(config.stripe.rate_limit, 7);
    assert_eq!(config.sync.debounce, Duration::from_millis(250));
    assert_eq!(config.sync.max_archives, Some(0));
    assert_eq!(config.sync.trigger_events, ["a.b", "c.d"]);
    assert_eq!(config.catalog.id, "123");
    assert_eq!(config.catalog.rules, Rules::File("./mine.toml".into()));
    assert_eq!(config.catalog.min_price["usd"].to_string(), "0.10");
    assert_eq!(config.catalog.min_price["jpy"].to_string(), "100");
    assert_eq!(config.catalog.max_price["usd"].to_string(), "5000.10");
    assert_eq!(config.schedule.sync.to_string(), "30 4 * * mon-FRI");
    assert_eq!(config.schedule.time_zone, chrono_tz::Europe::Berlin);
    assert_eq!(
        setting(&config, "server.http_listen").1,
        Place::Default,
        "empty counts as absent"
    );
    assert_eq!(setting(&config, "catalog.min_price.usd").0, "0.10");

    let config = good(&env(&[("SPS_SYNC__TRIGGER_EVENTS", "a.b, c.d")]));
    assert_eq!(config.sync.trigger_events, ["a.b", "c.d"]);
}

#[test]
fn amounts_of_the_layers_are_merged_exactly() {
    let text = "[catalog.min_price]\nusd = 0.1\neur = \"0.30\"\n";
    let (_dir, sources) = file(text, &[("SPS_CATALOG__MIN_PRICE__EUR", "0.2")]);
    let config = good(&sources);
    assert_eq!(config.catalog.min_price["usd"].to_string(), "0.1");
    assert_eq!(config.catalog.min_price["eur"].to_string(), "0.2");
}

#[test]
fn secrets_come_from_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("key", "sk_test_fromfile\n");
    write("hooks", "whsec_one\nwhsec_two\n");
    write("url", " sqlite:other.db\n");
    let sources = Sources {
        dir: dir.path().to_owned(),
        ..env(&[
            ("STRIPE_SECRET_KEY_FILE", "key"),
            ("STRIPE_WEBHOOK_SECRET_FILE", "hooks"),
            ("SPS_DATABASE__URL_FILE", "url"),
            ("SPS_CATALOG__ROOT", "crm"),
        ])
    };
    let config = good(&sources);
    let super::super::Setup::Stripe { key, .. } = &config.setup else {
        panic!("{:?}", config.setup)
    };
    assert_eq!(key.expose(), "sk_test_fromfile");
    let hooks: Vec<&str> = config
        .stripe
        .webhook_secrets
        .iter()
        .map(|secret| secret.expose())
        .collect();
    assert_eq!(hooks, ["whsec_one", "whsec_two"]);
    assert_eq!(
        config.setup.sqlite_path().unwrap().to_str(),
        Some("other.db")
    );
    assert_eq!(
        setting(&config, "stripe.secret_key").1.to_string(),
        "STRIPE_SECRET_KEY_FILE"
    );
}

#[test]
fn short_names_of_the_environment() {
    let config = good(&env(&[
        ("STRIPE_SECRET_KEY", "rk_test_a"),
        ("STRIPE_API_BASE", "http://127.0.0.1:12111"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b"),
        ("DATABASE_URL", "sqlite:x.db"),
        ("SPS_CATALOG__ROOT", "crm"),
    ]));
    assert_eq!(config.stripe.api_base.as_str(), "http://127.0.0.1:12111");
    assert_eq!(config.stripe.webhook_secrets.len(), 2);
}

#[test]
fn what_is_shown_is_in_order_and_redacted() {
    let config = good(&env(&[
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2"),
        (
            "DATABASE_URL",
            "postgres://app:hunter2@db.example.com:5432/crm",
        ),
        ("SPS_CATALOG__ROOT", "crm"),
        ("SPS_ALERTS__URL", "https://hooks.example.com/T0/hunter2"),
        ("SPS_ALERTS__SECRET", "hunter2-and-hunter2"),
    ]));
    let settings = config.effective();
    assert!(settings.is_sorted_by_key(|setting| &setting.key));
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    assert_eq!(setting(&config, "stripe.secret_key").0, "sk_test_***");
    assert_eq!(setting(&config, "stripe.webhook_secrets").0, "[whsec_***]");
    assert_eq!(
        setting(&config, "database.url").0,
        "postgres://app:***@db.example.com:5432/crm"
    );
    assert_eq!(setting(&config, "alerts.url").0, "hooks.example.com/***");
    assert_eq!(setting(&config, "alerts.secret").0, "***");
    // Defaults that depend on other keys are shown as they hold.
    assert_eq!(
        setting(&config, "stripe.rate_limit"),
        ("25".to_owned(), Place::Default)
    );
    assert_eq!(setting(&config, "sync.on_start").0, "validate");
    assert_eq!(setting(&config, "auth.required").0, "once a key is made");
    assert_eq!(setting(&config, "reports.environment").0, "test");
    assert_eq!(setting(&config, "stripe.account").0, "(none)");
    assert_eq!(setting(&config, "stripe.lookup_key_prefix").0, "\"\"");
}
