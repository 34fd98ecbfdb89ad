//! The floors of deny.toml against Cargo.lock, so that they hold where cargo-deny is not at hand.

use toml::{Table, Value};

use crate::tidy::source::Source;

pub(crate) fn check(sources: &[Source], findings: &mut Vec<String>) {
    let Some(deny) = table(sources, "deny.toml") else {
        findings.push("deny.toml: is missing or is not TOML".to_owned());
        return;
    };
    let Some(lock) = table(sources, "Cargo.lock") else {
        findings.push("Cargo.lock: is missing or is not TOML".to_owned());
        return;
    };
    let bans = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let specs = bans.into_iter().flatten().filter_map(|ban| ban.get("crate")?.as_str());
    let packages = lock.get("package").and_then(Value::as_array);
    let packages: Vec<_> = packages.into_iter().flatten().filter_map(name_and_version).collect();
    for spec in specs {
        let (banned, floor) = spec.split_once(":<").unwrap_or((spec, ""));
        for (name, version) in &packages {
            let below = floor.is_empty() || numbers(version) < numbers(floor);
            if *name == banned && below {
                findings.push(format!("Cargo.lock: {name} {version} is banned by `{spec}`"));
            }
        }
    }
}

fn table(sources: &[Source], path: &str) -> Option<Table> {
    let source = sources.iter().find(|source| source.path == path)?;
    toml::from_str(source.text.as_deref()?).ok()
}

fn name_and_version(package: &Value) -> Option<(&str, &str)> {
    Some((package.get("name")?.as_str()?, package.get("version")?.as_str()?))
}

/// `1.2.3` as numbers; what follows a `-` or `+` is left out.
fn numbers(version: &str) -> Vec<u64> {
    let version = version.split(['-', '+']).next().unwrap_or_default();
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_below_its_floor_is_found() {
        let lock = "[[package]]\nname = \"h2\"\nversion = \"0.4.9\"\n\
                    [[package]]\nname = \"openssl\"\nversion = \"0.10.1\"\n\
                    [[package]]\nname = \"bytes\"\nversion = \"1.12.1\"\n";
        let deny = "[bans]\ndeny = [{ crate = \"h2:<0.4.16\" }, { crate = \"openssl\" }, \
                    { crate = \"bytes:<1.11.1\" }]";
        let sources = [Source::new("Cargo.lock", lock), Source::new("deny.toml", deny)];
        let mut findings = Vec::new();
        check(&sources, &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
