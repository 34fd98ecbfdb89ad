use super::*;

const GRACE: Duration = Duration::from_secs(10);
const GATHER: Duration = Duration::from_secs(1);

struct Scene {
    presence: Presence,
    now: Instant,
}

impl Scene {
    fn new(people_max: usize) -> Self {
        let config = PresenceConfig { grace: GRACE, gather: GATHER, people_max };
        Self { presence: Presence::new(config), now: Instant::now() }
    }

    /// A peer of the user with its own first letter, if that is a capital.
    fn join(&mut self, key: u64, id: &str) {
        let user = id.get(..1).filter(|user| user.chars().all(char::is_uppercase));
        let user = user.map(ByteString::from);
        self.presence.joined(self.now, &"r".into(), MemberKey(key), id, user);
    }

    fn leave(&mut self, key: u64) {
        self.presence.left(self.now, &"r".into(), MemberKey(key));
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    /// Everything that is told by now, as `+joined -left =count`.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(change) = self.presence.poll(self.now) {
            assert_eq!(change.room, "r");
            let joined = change.joined.iter().map(|present| format!("+{} ", name(&present.person)));
            let left = change.left.iter().map(|person| format!("-{} ", name(person)));
            let words: String = joined.chain(left).collect();
            told.push(format!("{words}={}", change.count));
        }
        told
    }

    fn peers(&self) -> Vec<(String, Vec<String>)> {
        let list = self.presence.list("r").into_iter();
        let named = list.map(|present| {
            let peers = present.peers.iter().map(ToString::to_string).collect();
            (name(&present.person), peers)
        });
        named.collect()
    }
}

fn name(person: &Person) -> String {
    match person {
        Person::User(user) => user.to_string(),
        Person::Peer(id) => id.to_string(),
    }
}

#[test]
fn who_comes_is_told_with_all_who_come_meanwhile() {
    let mut scene = Scene::new(10);
    scene.join(1, "a");
    assert_eq!(scene.presence.deadline(), Some(scene.now + GATHER));
    scene.join(2, "U1");
    scene.join(3, "U2");
    assert!(scene.told().is_empty());
    assert_eq!(scene.after(1).told(), ["+a +U =2"]);
    let both = vec!["U1".to_owned(), "U2".to_owned()];
    assert_eq!(scene.peers(), [("a".into(), vec!["a".into()]), ("U".into(), both)]);
    assert!(scene.after(100).told().is_empty());
}

#[test]
fn a_user_who_is_back_within_the_grace_was_never_away() {
    let mut scene = Scene::new(10);
    scene.join(1, "U1");
    assert_eq!(scene.after(1).told(), ["+U =1"]);
    scene.leave(1);
    assert!(scene.after(10).told().is_empty());
    assert_eq!(scene.peers(), [("U".into(), vec![])], "still listed");
    scene.join(2, "U2");
    assert!(scene.after(100).told().is_empty());
    // The second absence has a grace of its own.
    scene.leave(2);
    assert!(scene.after(10).told().is_empty());
    assert_eq!(scene.after(1).told(), ["-U =0"]);
    assert!(scene.presence.is_empty(), "{:?}", scene.presence);
}

#[test]
fn a_user_is_gone_with_its_last_session() {
    let mut scene = Scene::new(10);
    scene.join(1, "U1");
    scene.join(2, "U2");
    scene.after(1).told();
    scene.leave(1);
    assert!(scene.after(100).told().is_empty());
    scene.leave(2);
    assert_eq!(scene.after(11).told(), ["-U =0"]);
}

#[test]
fn who_comes_and_goes_before_anybody_was_told_is_not_told() {
    let mut scene = Scene::new(10);
    scene.join(1, "a");
    scene.leave(1);
    assert!(scene.presence.is_empty());
    scene.join(2, "b");
    scene.join(3, "c");
    scene.leave(3);
    assert_eq!(scene.after(1).told(), ["+b =1"]);
    assert!(scene.after(100).told().is_empty());
}

#[test]
fn those_who_go_one_after_the_other_are_told_at_once() {
    let mut scene = Scene::new(10);
    ["a", "b", "c"].iter().zip(1..).for_each(|(id, key)| scene.join(key, id));
    scene.after(1).told();
    scene.leave(1);
    scene.now += GATHER / 2;
    scene.leave(2);
    scene.after(2);
    scene.leave(3);
    assert_eq!(scene.after(9).told(), ["-a -b =1"]);
    assert_eq!(scene.after(2).told(), ["-c =0"]);
}

#[test]
fn the_snapshot_and_what_is_told_after_it_add_up() {
    let mut scene = Scene::new(10);
    scene.join(1, "a");
    scene.after(1).told();
    scene.join(2, "b");
    scene.leave(1);
    let told: Vec<_> = scene.presence.told("r").iter().map(|p| name(&p.person)).collect();
    assert_eq!(told, ["a"]);
    assert_eq!(scene.after(1).told(), ["+b =2"]);
    assert_eq!(scene.after(10).told(), ["-a =1"]);
}

#[test]
fn too_many_people_are_not_listed_and_leave_nothing_behind() {
    let mut scene = Scene::new(2);
    for (key, id) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        scene.join(key, id);
    }
    assert_eq!(scene.after(1).told(), ["+a +b =2"]);
    scene.leave(3);
    scene.leave(1);
    assert_eq!(scene.after(11).told(), ["-a =1"]);
    scene.join(5, "e");
    assert_eq!(scene.after(1).told(), ["+e =2"]);
    [2, 4, 5].into_iter().for_each(|key| scene.leave(key));
    assert_eq!(scene.after(11).told(), ["-b -e =0"]);
    assert!(scene.presence.is_empty(), "{:?}", scene.presence);
}

/// Against a model that knows only who is there at each instant: what was told adds up to it once
/// all is quiet, nobody is told twice, and nobody who was away no longer than the grace left.
#[test]
fn what_is_told_adds_up_whatever_happens() {
    for seed in 1..=300_u64 {
        let mut state = seed;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut scene = Scene::new(100);
        let mut here: HashMap<u64, String> = HashMap::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        for key in 0..200 {
            if random(2) == 0 {
                let id = format!("{}{key}", ["A", "B", "C", "x"][random(4) as usize]);
                scene.join(key, &id);
                here.insert(key, if id.starts_with('x') { id } else { id[..1].to_owned() });
            } else if let Some(&key) = here.keys().min() {
                scene.leave(key);
                here.remove(&key);
            }
            scene.now += Duration::from_millis(random(4000));
            follow(&mut scene, &mut known);
        }
        scene.after(100);
        follow(&mut scene, &mut known);
        let there: BTreeSet<String> = here.values().cloned().collect();
        assert_eq!(known, there, "seed {seed}");
        here.keys().for_each(|key| scene.leave(*key));
        scene.after(100);
        follow(&mut scene, &mut known);
        assert!(known.is_empty() && scene.presence.is_empty(), "seed {seed}");
    }
}

fn follow(scene: &mut Scene, known: &mut BTreeSet<String>) {
    while let Some(change) = scene.presence.poll(scene.now) {
        for present in change.joined {
            assert!(known.insert(name(&present.person)), "told twice");
        }
        for person in change.left {
            assert!(known.remove(&name(&person)), "left without having come");
        }
        assert_eq!(change.count, known.len());
    }
}
