//! Plans as text: JSON to and fro, one line each, and what is said about hostile ones.

use super::*;

#[test]
fn every_fault_survives_json() {
    let plan = one_of_each();
    let text = serde_json::to_string_pretty(&plan).expect("plans serialise");
    let read: Vec<PlannedFault> = serde_json::from_str(&text).expect("plans deserialise");
    assert_eq!(read, plan);
    for planned in &plan {
        let json = serde_json::to_value(&planned.fault).expect("faults serialise");
        let names: Vec<&String> = json.as_object().expect("a fault has fields").keys().collect();
        assert_eq!(names, [planned.fault.name()], "the name of a fault is its name in JSON");
    }
    assert_eq!(validate(&plan, &five()), Ok(()));
}

#[test]
fn every_fault_reads_as_one_line() {
    let lines: Vec<String> = one_of_each().iter().map(PlannedFault::to_string).collect();
    assert!(lines.iter().all(|line| !line.contains('\n')));
    insta::assert_snapshot!("plan", lines.join("\n"));
}

#[test]
fn json_is_readable() {
    let planned: Vec<String> = one_of_each()
        .iter()
        .map(|planned| serde_json::to_string(planned).expect("plans serialise"))
        .collect();
    insta::assert_snapshot!("json", planned.join("\n"));
}

#[test]
fn json_with_unknown_or_impossible_fields_is_refused() {
    let fine = r#"{"id":1,"at_ms":0,"for_ms":5,"fault":{"pause":{"target":"leader"}}}"#;
    assert!(serde_json::from_str::<PlannedFault>(fine).is_ok());
    for (from, to) in [
        (r#""id":1"#, r#""id":-1"#),
        (r#""at_ms":0"#, r#""at_ms":-5"#),
        (r#""at_ms":0"#, r#""at_ms":1.5"#),
        (r#""at_ms":0"#, r#""at_ms":99999999999999999999999"#),
        (r#""at_ms":0,"#, ""),
        (r#""at_ms":0"#, r#""at_ms":0,"note":"x""#),
        (r#""pause""#, r#""paws""#),
        (r#""target""#, r#""force":1,"target""#),
        (r#""leader""#, r#"{"server":-1}"#),
        (r#""leader""#, r#""boss""#),
    ] {
        let hostile = fine.replace(from, to);
        assert_ne!(hostile, fine);
        assert!(serde_json::from_str::<PlannedFault>(&hostile).is_err(), "{hostile}");
    }
}

fn error_of(at_ms: u64, for_ms: u64, fault: Fault) -> String {
    let plan = vec![PlannedFault { id: 7, at_ms, for_ms, on: None, fault }];
    validate(&plan, &five()).expect_err("the plan is hostile").to_string()
}

#[test]
fn hostile_windows_are_refused() {
    let pause = Fault::Pause { target: Target::Leader };
    assert_eq!(error_of(0, 0, pause.clone()), "fault 7 (pause) lasts 0 ms: for_ms must be at least 1");
    assert_eq!(
        error_of(59_999, 2, pause.clone()),
        "fault 7 (pause) begins at 59999 ms and lasts 2 ms, beyond the end of the chaos phase at 60000 ms: move or \
         shorten it"
    );
    assert!(error_of(u64::MAX, u64::MAX, pause.clone()).contains("beyond the end"));
    let twice = PlannedFault { id: 3, at_ms: 0, for_ms: 1, on: None, fault: pause };
    assert_eq!(
        validate(&[twice.clone(), twice.clone()], &five()).expect_err("ids clash").to_string(),
        "id 3 is used by more than one fault: give each fault an id of its own"
    );
    let many: Vec<PlannedFault> = (0..1_001).map(|id| PlannedFault { id, ..twice.clone() }).collect();
    assert_eq!(validate(&many, &five()), Err(PlanError::TooMany { count: 1_001 }));
}

#[test]
fn hostile_fields_are_refused() {
    let (n2, clients, links) = (Target::Server(1), ClientSide::Follow, Links::All);
    let loss = DiskLoss::Nothing;
    let kinds = Vec::new;
    let hostile = vec![
        Fault::Pause { target: Target::Server(5) },
        Fault::Pause { target: Target::Follower(u32::MAX) },
        Fault::ClientCrash { client: 3 },
        Fault::ClientCut { clients: vec![0, 0], server: None },
        Fault::ClientCut { clients: vec![9], server: None },
        Fault::Split { left: Vec::new(), right: Vec::new(), clients },
        Fault::Split { left: vec![n2], right: vec![n2], clients },
        Fault::Loss { links, ppm: 1_000_001, kinds: kinds() },
        Fault::Loss { links, ppm: 0, kinds: kinds() },
        Fault::Loss { links: Links::Between { from: n2, to: n2 }, ppm: 1, kinds: kinds() },
        Fault::Loss { links, ppm: 1, kinds: vec!["Not A Kind".to_owned()] },
        Fault::Loss { links, ppm: 1, kinds: vec![String::new()] },
        Fault::Loss { links, ppm: 1, kinds: vec!["x".to_owned(); 65] },
        Fault::Delay { links, min_ms: 9, max_ms: 5, kinds: kinds() },
        Fault::Delay { links, min_ms: 0, max_ms: u64::MAX, kinds: kinds() },
        Fault::Filter { links, kinds: kinds() },
        Fault::Flapping { target: n2, cut_ms: 0, connected_ms: 1, clients },
        Fault::Flapping { target: n2, cut_ms: u64::MAX, connected_ms: u64::MAX, clients },
        Fault::Swizzle { cut: vec![0, 1], restore: vec![1, 2], clients },
        Fault::Swizzle { cut: vec![0, 0], restore: vec![0, 0], clients },
        Fault::Swizzle { cut: Vec::new(), restore: Vec::new(), clients },
        Fault::CrashLoop { target: n2, down_ms: 1, up_ms: 0, loss },
        Fault::RollingRestart { down_ms: 201, loss },
        Fault::Slow { target: n2, cost_us: u64::MAX },
        Fault::ClockJump { target: n2, by_ms: i64::MIN },
        Fault::ClockDrift { target: n2, ppm: i32::MIN },
        Fault::ClockStrobe { target: n2, by_ms: 1, period_ms: 0 },
        Fault::SlowSync { target: n2, sync_ms: 0 },
        Fault::Truncate { target: n2, records: 0 },
    ];
    let errors: Vec<String> = hostile.into_iter().map(|fault| error_of(0, 1_000, fault)).collect();
    insta::assert_snapshot!("hostile", errors.join("\n"));
}

#[test]
fn faults_that_need_company_are_refused_alone() {
    let alone = Topology {
        mode: Mode::Single,
        servers: 1,
        clients: 3,
        horizon_ms: 60_000,
        clock_error_ppm_max: None,
    };
    let refused: Vec<&str> = one_of_each()
        .iter()
        .filter(|planned| validate(std::slice::from_ref(*planned), &alone).is_err())
        .map(|planned| planned.fault.name())
        .collect();
    for name in ["isolate", "split", "ring", "bridge", "deaf", "mute", "flapping", "swizzle"] {
        assert!(refused.contains(&name), "{name}");
    }
    assert!(!refused.contains(&"crash") && !refused.contains(&"loss"));
}
