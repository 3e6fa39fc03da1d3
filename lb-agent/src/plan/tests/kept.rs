//! A ledger that is kept from plan to plan.

use super::*;

/// What a ledger says, in the form that a new one has.
fn filed(ledger: &Ledger) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        ledger.ids.used().collect::<Vec<_>>(),
        ledger.indexes.used().collect::<Vec<_>>(),
        ledger.runs.in_use(),
        ledger.sound.clone(),
        ledger.known.clone(),
        ledger.members.clone(),
        ledger.orphans.clone(),
    )
}

fn assert_fits(ledger: &Ledger, maps: &Observed) {
    assert_eq!(filed(ledger), filed(&Ledger::new(maps)));
}

proptest! {
    #[test]
    fn it_says_what_a_new_one_would(states in prop::collection::vec(any_state(), 1..5)) {
        let mut model = Model::new(empty(CAPACITY, 2 * CAPACITY, 1024));
        let mut ledger = Ledger::new(&model.maps);
        for state in &states {
            for op in &ledger.plan(state, &model.maps).expect("there is room") {
                model.apply(op);
            }
            assert_holds(&model.maps, state);
            assert_fits(&ledger, &model.maps);
        }
    }

    #[test]
    fn one_service_changes_alone(
        state in any_state().prop_filter("a service", |state| !state.services.is_empty()),
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any_service(key(9, 80)), 1..5),
    ) {
        let mut model = Model::new(empty(CAPACITY, 2 * CAPACITY, 1024));
        let mut ledger = Ledger::new(&model.maps);
        for op in &ledger.plan(&state, &model.maps).expect("there is room") {
            model.apply(op);
        }
        let place = which.index(state.services.len());
        let mut services = state.services;
        for change in changes {
            services[place] = desired::Service { key: services[place].key, ..change };
            let ops = ledger.change(&services[place], &model.maps).expect("there is room");
            for op in &ops.expect("the service exists") {
                if let Op::WriteService { key, .. } = op {
                    prop_assert_eq!(key.address, services[place].key.address);
                }
                model.apply(op);
            }
            assert_fits(&ledger, &model.maps);
            // Only ends that are no servers any more are left to do.
            let state = Desired { links: model.maps.links.clone(), ..desired(services.clone()) };
            let rest = plan(&state, &model.maps).expect("there is room");
            prop_assert!(rest.iter().all(|op| matches!(op, Op::WriteSources(_))), "{:?}", rest);
        }
    }
}

#[test]
fn an_unknown_service_is_not_changed_alone() {
    let maps = empty(4, 8, 64);
    let service = service(key(1, 80), Scheduler::Rr, &[(1, 1)]);
    assert_eq!(Ledger::new(&maps).change(&service, &maps), Ok(None));
}
