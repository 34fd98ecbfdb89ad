//! What the environment asks for.

use crate::mistake::Mistake;
use crate::run::Security;
use omniwire::protocols::{engineio, socketio};
use omniwire::{ConnectionRecovery, Origins, Tls};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The settings of the server under test.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) path: String,
    pub(super) config: socketio::Config,
    pub(super) origins: Option<Origins>,
    pub(super) recovery: Option<ConnectionRecovery>,
    pub(super) admin: bool,
    pub(super) node: String,
    /// Exactly the settings of the official Socket.IO 5 suite, so `/` behaves as that wants.
    pub(super) official: bool,
}

/// The port to take when no flag names one.
pub(crate) fn port() -> Result<u16, Mistake> {
    Ok(Environment(&from_process).read("SIO_PORT")?.unwrap_or(3000))
}

/// Adds HTTP/3 for WebTransport, if the environment asks for that.
pub(crate) fn secure(security: &mut Security) -> Result<(), Mistake> {
    Environment(&from_process).secure(security)
}

/// Variables whose features are still to come, with the values that ask for nothing.
const MISSING: [(&str, &str); 1] = [("SIO_REDIS", "")];

/// Variables that the official suite does without, and so are not set for it.
const BESIDE_OFFICIAL: [&str; 8] = [
    "SIO_PARSER",
    "SIO_RECOVERY_MS",
    "SIO_PATH",
    "SIO_UPGRADE_TIMEOUT",
    "SIO_MAX_PAYLOAD",
    "SIO_TRANSPORTS",
    "SIO_COOKIE",
    "SIO_CORS",
];

impl Settings {
    pub(super) fn from_environment() -> Result<Self, Mistake> {
        Self::from(&Environment(&from_process))
    }

    fn from(environment: &Environment<'_>) -> Result<Self, Mistake> {
        environment.refuse_missing()?;
        let mut config = socketio::Config::default();
        if let Some(timeout) = environment.duration("SIO_CONNECT_TIMEOUT")? {
            config.connect_timeout = timeout;
        }
        if let Some(count) = environment.read("SIO_NAMESPACES_MAX")? {
            config.namespaces_max = count;
        }
        if let Some(count) = environment.read("SIO_ATTACHMENTS_MAX")? {
            config.attachments_max = count;
        }
        config.parser = environment.parser()?;
        let engine = environment.engine()?;
        let official = environment.is_plain()
            && !engine.allow_eio3
            && engine.ping_interval == Duration::from_millis(300)
            && engine.ping_timeout == Duration::from_millis(200)
            && config.connect_timeout == Duration::from_secs(1);
        let recovery = environment.recovery(&engine)?;
        config.engine = Arc::new(engine);
        let (path, origins) = (environment.path()?, environment.origins()?);
        let admin = environment.switch("SIO_ADMIN")?.unwrap_or_default();
        let node = environment.get("SIO_NODE").unwrap_or_else(|| "ref".to_owned());
        Ok(Self { path, config, origins, recovery, admin, node, official })
    }
}

fn from_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// An empty variable is as good as none.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn read<T: FromStr>(&self, name: &str) -> Result<Option<T>, Mistake> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| mistake(name, &value, "is no number in range"))
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, Mistake> {
        Ok(self.read(name)?.map(Duration::from_millis))
    }

    fn switch(&self, name: &str) -> Result<Option<bool>, Mistake> {
        match self.get(name).as_deref() {
            None => Ok(None),
            Some("0") => Ok(Some(false)),
            Some("1") => Ok(Some(true)),
            Some(value) => Err(mistake(name, value, "is neither 0 nor 1")),
        }
    }

    fn refuse_missing(&self) -> Result<(), Mistake> {
        let set = |(name, idle): &(&str, &str)| self.get(name).is_some_and(|v| v != *idle);
        match MISSING.iter().find(|variable| set(variable)) {
            Some((name, _)) => Err(Mistake(format!("{name} is not supported yet: unset it"))),
            None => Ok(()),
        }
    }

    fn is_plain(&self) -> bool {
        BESIDE_OFFICIAL.iter().all(|name| self.get(name).is_none())
    }

    fn engine(&self) -> Result<engineio::Config, Mistake> {
        let mut config = engineio::Config::default();
        let durations = [
            ("SIO_PING_INTERVAL", &mut config.ping_interval),
            ("SIO_PING_TIMEOUT", &mut config.ping_timeout),
            ("SIO_UPGRADE_TIMEOUT", &mut config.upgrade_timeout),
        ];
        for (name, setting) in durations {
            if let Some(duration) = self.duration(name)? {
                *setting = duration;
            }
        }
        if let Some(len) = self.read("SIO_MAX_PAYLOAD")? {
            config.max_payload = len;
        }
        config.allow_eio3 = self.switch("SIO_EIO3")?.unwrap_or_default();
        config.cookie = self.get("SIO_COOKIE").map(engineio::Cookie::named);
        if let Some(names) = self.get("SIO_TRANSPORTS") {
            config.transports = transports(&names)?;
        }
        Ok(config)
    }

    fn parser(&self) -> Result<socketio::Parser, Mistake> {
        match self.get("SIO_PARSER").as_deref() {
            None | Some("default") => Ok(socketio::Parser::Json),
            Some("msgpack") => Ok(socketio::Parser::MsgPack),
            Some(name) => Err(mistake("SIO_PARSER", name, "is no parser")),
        }
    }

    fn secure(&self, security: &mut Security) -> Result<(), Mistake> {
        let missing = |name: &str, other: &str| {
            Mistake(format!("{name} is not set: WebTransport is encrypted, so it needs {other}"))
        };
        match (self.get("SIO_WT_CERT"), self.get("SIO_WT_KEY")) {
            (Some(certificate), Some(key)) => {
                let tls = Tls::from_pem_files(certificate, key);
                let tls = tls.map_err(|error| Mistake(format!("SIO_WT_CERT, SIO_WT_KEY: {error}")));
                security.udp = Some(tls?);
            }
            (None, Some(_)) => return Err(missing("SIO_WT_CERT", "a certificate")),
            (Some(_), None) => return Err(missing("SIO_WT_KEY", "the certificate's key")),
            (None, None) => {}
        }
        security.udp_port = self.read("SIO_WT_PORT")?;
        let wanted = security.udp_port.is_some() || self.engine()?.transports.webtransport;
        if wanted && security.udp.is_none() {
            return Err(missing("SIO_WT_CERT", "a certificate"));
        }
        Ok(())
    }

    fn recovery(&self, engine: &engineio::Config) -> Result<Option<ConnectionRecovery>, Mistake> {
        let Some(window) = self.duration("SIO_RECOVERY_MS")?.filter(|window| !window.is_zero())
        else {
            return Ok(None);
        };
        let mut recovery = ConnectionRecovery::default();
        recovery.window = window;
        recovery.notice = engine.ping_interval + engine.ping_timeout;
        recovery.skip_admission = self.switch("SIO_RECOVERY_SKIP_MW")?.unwrap_or(true);
        Ok(Some(recovery))
    }

    fn path(&self) -> Result<String, Mistake> {
        let path = self.get("SIO_PATH").unwrap_or_else(|| "/socket.io/".to_owned());
        if path.starts_with('/') {
            return Ok(path);
        }
        Err(mistake("SIO_PATH", &path, "does not begin with a slash"))
    }

    fn origins(&self) -> Result<Option<Origins>, Mistake> {
        match self.get("SIO_CORS").as_deref() {
            None => Ok(None),
            Some("*") => Ok(Some(Origins::any())),
            Some(origin) => {
                let origins = Origins::list([origin]);
                origins.map(Some).map_err(|error| Mistake(format!("SIO_CORS: {error}")))
            }
        }
    }
}

fn transports(names: &str) -> Result<engineio::Transports, Mistake> {
    let mut transports =
        engineio::Transports { polling: false, websocket: false, webtransport: false };
    for name in names.split(',').map(str::trim) {
        match name {
            "polling" => transports.polling = true,
            "websocket" => transports.websocket = true,
            "webtransport" => transports.webtransport = true,
            _ => return Err(mistake("SIO_TRANSPORTS", name, "is no transport")),
        }
    }
    Ok(transports)
}

fn mistake(name: &str, value: &str, what: &str) -> Mistake {
    Mistake(format!("{name}: '{value}' {what}"))
}

#[cfg(test)]
mod tests;
