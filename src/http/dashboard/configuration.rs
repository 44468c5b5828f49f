//! `/configuration`: the settings in force, without secrets.

use axum::extract::State;
use axum::response::Response;

use super::page::{Failed, shown};
use super::shell::{self, Reader};
use super::view::configuration::{ConfigurationPage, Section, Setting, Source};
use super::view::shell::Page as Nav;
use crate::http::App;
use crate::http::facts::{self, Place};

/// In the order in which they are shown.
const SECTIONS: [(&str, &str); 12] = [
    ("server", "Where it listens, and how much it takes"),
    ("stripe", "The far side, and its limits"),
    ("database", "What it remembers"),
    ("catalog", "What is sold"),
    ("sync", "How differences are mended"),
    ("schedule", "What happens by itself"),
    ("validate", "How comparisons are kept"),
    ("alerts", "Whom it tells of what is wrong"),
    ("reports", "What is written of each run"),
    ("auth", "Who may call"),
    ("tls", "How it is reached"),
    ("telemetry", "What it logs"),
];

pub(in crate::http) async fn show(State(app): State<App>, reader: Reader) -> Response {
    shown(&reader, fill(&app, &reader).await)
}

async fn fill(app: &App, reader: &Reader) -> Result<ConfigurationPage, Failed> {
    let whose = shell::whose(app).await?;
    let settings = &app.facts.settings;
    let section = |(name, text): (&str, &str)| Section {
        name: name.to_owned(),
        text: text.to_owned(),
        settings: settings
            .iter()
            .filter(|setting| setting.key.split('.').next() == Some(name))
            .map(view)
            .collect(),
    };
    let file = settings.iter().find_map(|setting| match &setting.place {
        Place::File(file) => file.rsplit_once(':').map(|(path, _)| path.to_owned()),
        Place::Default | Place::Environment(_) | Place::Flag(_) => None,
    });
    Ok(ConfigurationPage {
        shell: shell::shell(
            &app.engine,
            &whose,
            reader,
            "Configuration",
            Nav::Configuration,
        )
        .await?,
        file: file.unwrap_or_default(),
        sections: SECTIONS
            .map(section)
            .into_iter()
            .filter(|section| !section.settings.is_empty())
            .collect(),
    })
}

fn view(setting: &facts::Setting) -> Setting {
    let (source, place) = match &setting.place {
        Place::Default => (Source::Default, ""),
        Place::File(file) => (Source::File, file.as_str()),
        Place::Environment(name) => (Source::Environment, name.as_str()),
        Place::Flag(name) => (Source::Flag, name.as_str()),
    };
    Setting {
        key: setting.key.clone(),
        value: match setting.value.as_str() {
            "(none)" => String::new(),
            value => value.to_owned(),
        },
        secret: setting.value == "***",
        source,
        place: place.to_owned(),
    }
}
