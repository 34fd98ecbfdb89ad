//! What the codec costs by itself, without sockets: `cargo bench -p omniwire-websocket`.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use omniwire_websocket::frame::{self, Header};
use omniwire_websocket::{
    Limits, Message, OpCode, PreparedMessage, Receiver, Role, Utf8Bytes, mask,
};

/// Frames that one read brings.
const FRAMES: usize = 1_000;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Octets per second, in memory that the processor holds near.
fn unmask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    for len in [64, 1 << 10, 16 << 10, 1 << 20] {
        let mut data = vec![b'x'; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut data), black_box(KEY), 0));
        });
    }
    group.finish();
}

/// Octets per second of valid text.
fn check_utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for (name, text) in [("ascii", "The quick brown fox. "), ("mixed", "Größe: 10 µm, 日本語. ")]
    {
        let text = Bytes::from(text.repeat((16 << 10) / text.len()));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Utf8Bytes::try_from(black_box(text.clone())).is_ok());
        });
    }
    group.finish();
}

/// Time per frame of many that came in one read: header, unmasking, UTF-8, message.
fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive");
    for len in [20, 128, 1 << 10] {
        let mut octets = BytesMut::new();
        let payload = vec![b'x'; len];
        let header = Header { mask: Some(KEY), ..Header::whole(OpCode::Text, len) };
        (0..FRAMES).for_each(|_| frame::encode(&mut octets, header, &payload));
        group.throughput(Throughput::Elements(FRAMES as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            let read = || (Receiver::new(Role::Server, Limits::default()), octets.clone());
            let take = |(mut receiver, mut octets): (Receiver, BytesMut)| {
                let mut count = 0;
                while let Ok(Some(message)) = receiver.receive(&mut octets) {
                    count += usize::from(black_box(message).is_data());
                }
                assert_eq!(count, FRAMES);
            };
            bencher.iter_batched(read, take, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// The same without messages of their own: each is lent where it lies.
fn receive_in_place(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive_in_place");
    for len in [20, 128, 1 << 10] {
        let mut octets = BytesMut::new();
        let payload = vec![b'x'; len];
        let header = Header { mask: Some(KEY), ..Header::whole(OpCode::Text, len) };
        (0..FRAMES).for_each(|_| frame::encode(&mut octets, header, &payload));
        group.throughput(Throughput::Elements(FRAMES as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            let read = || (Receiver::new(Role::Server, Limits::default()), octets.clone());
            let take = |(mut receiver, mut octets): (Receiver, BytesMut)| {
                let (mut count, mut rest) = (0, &mut octets[..]);
                while let Ok(Some((message, behind))) = receiver.receive_in_place(rest) {
                    count += usize::from(black_box(message).is_data());
                    rest = behind;
                }
                assert_eq!(count, FRAMES);
            };
            bencher.iter_batched(read, take, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Time to make the one frame that a broadcast shares.
fn prepare(criterion: &mut Criterion) {
    let text = "x".repeat(128);
    criterion.bench_function("prepare/128", |bencher| {
        bencher.iter(|| PreparedMessage::new(Message::text(black_box(&text).clone())));
    });
}

criterion_group!(codec, unmask, check_utf8, receive, receive_in_place, prepare);
criterion_main!(codec);
