use super::*;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends back what comes, until its peer goes.
struct Echo {
    socket: Socket,
    unwritten: Vec<u8>,
    /// What is to be written when somebody says so.
    word: Option<oneshot::Receiver<Vec<u8>>>,
    /// Told when this is dropped.
    _here: mpsc::Sender<()>,
}

impl Work for Echo {
    fn socket(&mut self) -> Option<&mut Socket> {
        Some(&mut self.socket)
    }
}

impl Future for Echo {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(word) = &mut self.word
                && let Poll::Ready(word_) = Pin::new(word).poll(context)
            {
                self.word = None;
                self.unwritten.extend(word_.unwrap_or_default());
            }
            while !self.unwritten.is_empty() {
                let this = &mut *self;
                match Pin::new(&mut this.socket).poll_write(context, &this.unwritten) {
                    Poll::Ready(Ok(count)) => drop(this.unwritten.drain(..count)),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let mut bytes = [0; 1024];
            let mut read = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(context, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    assert_ne!(read.filled(), b"panic", "as it was asked to");
                    self.unwritten.extend_from_slice(read.filled());
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    }
}

/// A listener whose connections go to engines.
struct Hall {
    listener: TcpListener,
    engines: Engines<Echo>,
    here: Option<mpsc::Sender<()>>,
    gone: mpsc::Receiver<()>,
}

impl Hall {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (here, gone) = mpsc::channel(1);
        Self { listener, engines: Engines::default(), here: Some(here), gone }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn client(&self) -> TcpStream {
        self.client_with(None).await
    }

    async fn client_with(&self, word: Option<oneshot::Receiver<Vec<u8>>>) -> TcpStream {
        let client = TcpStream::connect(self.address()).await.unwrap();
        let (stream, _) = self.listener.accept().await.unwrap();
        let _here = self.here.clone().unwrap();
        let begin = |socket| Ok(Echo { socket, unwritten: Vec::new(), word, _here });
        self.engines.drive(stream, begin).unwrap();
        client
    }

    /// Waits until every connection is dropped.
    async fn empty(mut self) {
        self.here = None;
        assert_eq!(timeout(PATIENCE, self.gone.recv()).await.unwrap(), None);
    }
}

async fn answer(client: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut answer = vec![0; len];
    timeout(PATIENCE, client.read_exact(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn what_comes_is_heard_and_what_is_said_leaves() {
    let hall = Hall::open().await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(hall.client().await);
    }
    for round in 0..3_u8 {
        for client in &mut clients {
            client.write_all(&[round; 3]).await.unwrap();
        }
        for client in &mut clients {
            assert_eq!(answer(client, 3).await, [round; 3]);
        }
    }
    drop(clients);
    hall.empty().await;
}

#[tokio::test]
async fn a_socket_that_is_full_is_written_when_it_has_room() {
    let hall = Hall::open().await;
    let (mut reader, mut writer) = hall.client().await.into_split();
    const LEN: usize = 8 << 20;
    let writing = tokio::spawn(async move {
        writer.write_all(&vec![7; LEN]).await.unwrap();
        writer
    });
    let mut all = vec![0; LEN];
    timeout(PATIENCE, reader.read_exact(&mut all)).await.unwrap().unwrap();
    assert!(all.iter().all(|byte| *byte == 7));
    drop((writing.await.unwrap(), reader));
    hall.empty().await;
}

#[tokio::test]
async fn an_end_that_comes_with_the_last_bytes_is_seen() {
    let hall = Hall::open().await;
    for _ in 0..50 {
        let mut client = hall.client().await;
        client.write_all(b"bye").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        timeout(PATIENCE, client.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all, b"bye");
    }
    hall.empty().await;
}

#[tokio::test]
async fn a_panic_costs_one_connection() {
    let hall = Hall::open().await;
    let (mut other, mut bad) = (hall.client().await, hall.client().await);
    bad.write_all(b"panic").await.unwrap();
    let mut all = Vec::new();
    // Closed in an orderly way or not: it is gone.
    timeout(PATIENCE, bad.read_to_end(&mut all)).await.unwrap().ok();
    assert_eq!(all, b"");
    other.write_all(b"hi").await.unwrap();
    assert_eq!(answer(&mut other, 2).await, b"hi");
    drop(other);
    hall.empty().await;
}

#[tokio::test]
async fn another_thread_wakes_it() {
    let hall = Hall::open().await;
    let (words, mut clients): (Vec<_>, Vec<_>) = {
        let mut both = Vec::new();
        for _ in 0..10 {
            let (sender, word) = oneshot::channel();
            both.push((sender, hall.client_with(Some(word)).await));
        }
        both.into_iter().unzip()
    };
    thread::spawn(move || words.into_iter().for_each(|word| word.send(b"now".to_vec()).unwrap()));
    for client in &mut clients {
        assert_eq!(answer(client, 3).await, b"now");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_worker_has_an_engine_and_all_of_them_work() {
    let hall = Arc::new(Hall::open().await);
    let mut tasks = Vec::new();
    for number in 0..30_u8 {
        let mut client = hall.client().await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..20 {
                client.write_all(&[number; 9]).await.unwrap();
                assert_eq!(answer(&mut client, 9).await, [number; 9]);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(hall.engines.runtimes.lock()[0].1.len(), 3);
    Arc::into_inner(hall).unwrap().empty().await;
}

#[test]
fn a_runtime_takes_its_connections_with_it() {
    let begin = || runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (runtime, other) = (begin(), begin());
    let hall = runtime.block_on(Hall::open());
    let client = runtime.block_on(async {
        let (_sender, word) = oneshot::channel();
        let mut client = hall.client_with(Some(word)).await;
        client.write_all(b"hi").await.unwrap();
        assert_eq!(answer(&mut client, 2).await, b"hi");
        client.into_std().unwrap()
    });
    let Hall { engines, here, mut gone, listener } = hall;
    let address = listener.local_addr().unwrap();
    drop((listener, runtime, here));
    assert_eq!(gone.blocking_recv(), None);
    drop(client);
    // The next runtime has engines of its own, and those of the first are forgotten.
    other.block_on(async {
        let (here, gone) = mpsc::channel(1);
        let listener = TcpListener::bind(address).await.unwrap();
        let hall = Hall { listener, engines, here: Some(here), gone };
        let mut client = hall.client().await;
        client.write_all(b"again").await.unwrap();
        assert_eq!(answer(&mut client, 5).await, b"again");
        assert_eq!(hall.engines.runtimes.lock().len(), 1);
    });
}

#[tokio::test]
async fn an_engine_ends_when_nobody_will_call_it() {
    let hall = Hall::open().await;
    let client = hall.client().await;
    let line = Arc::downgrade(&hall.engines.line().unwrap());
    drop(client);
    hall.empty().await;
    timeout(PATIENCE, async {
        while line.strong_count() > 0 {
            task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
