//! What load balancers ask `omniwire serve`.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Ends the server with the test, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn status(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[test]
fn it_is_ready_until_it_goes_down() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omniwire"));
    command.args(["serve", "--port", "0", "--drain-delay-ms", "60000"]).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_end_matches('/').rsplit_once('/').unwrap().1;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(address, path).unwrap(), "200", "{path}");
    }
    let pid = rustix::process::Pid::from_child(&server.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let start = Instant::now();
    while status(address, "/readyz").unwrap() != "503" {
        assert!(start.elapsed() < PATIENCE, "it is told in time");
    }
    assert_eq!(status(address, "/healthz").unwrap(), "200");
}
