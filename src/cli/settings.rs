//! The flags that every command has, and the configuration that they lead to.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use heirloom::config::Config;

/// Flags that say where the configuration comes from. Every setting can also be given in the environment:
/// HEIRLOOM_DATABASE_URL sets `database.url`.
#[derive(Debug, Args)]
pub struct Settings {
    /// TOML file with settings; else the one that HEIRLOOM_CONFIG names.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database: `sqlite:FILE` or `postgres://user:password@host/database` [default: sqlite:heirloom.sqlite].
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Any other setting, such as `--set limits.depth=30`; can be given many times.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as limits.depth=30")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Settings {
    /// The configuration: file, then environment, then flags; last those of the command.
    pub fn load(&self, of_command: &[(&str, String)]) -> Result<Config> {
        let mut flags: Vec<(&str, String)> = self
            .set
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        flags.extend(self.database.iter().map(|url| ("database.url", url.clone())));
        flags.extend_from_slice(of_command);
        Ok(Config::load(
            self.config.as_deref(),
            std::env::vars_os().filter_map(text),
            &flags,
        )?)
    }
}

/// A variable that is not Unicode is none of ours.
fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
