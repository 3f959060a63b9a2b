//! Plans survive their bytes; other bytes are refused without a panic.

use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::*;

fn domain(name: &str, source: GrantSource) -> DomainPlan {
    DomainPlan {
        name: name.to_string(),
        image: name.to_string(),
        grants: vec![GrantPlan {
            parameter: "device".to_string(),
            source,
        }],
        on_death: DeathPolicy::Restart(RestartLimit {
            backoff_ns: 1_000_000,
            limit: 5,
            settle_ns: 20_000_000,
            budget: 100,
        }),
        limits: LimitsPlan {
            memory_bytes: 4 << 20,
            threads: 7,
            ..LimitsPlan::default()
        },
        start_ns: 500_000_000,
        priority: 0,
        is_promised: true,
        is_essential: false,
    }
}

fn plan() -> SystemPlan {
    SystemPlan {
        name: "rv6".to_string(),
        domains: vec![
            domain(
                "nvme",
                GrantSource::Pci(PciSelector {
                    pattern: PciPattern::Class(0x01_08_02),
                    index: 0,
                    dma: Dma::Strict,
                }),
            ),
            domain("files", GrantSource::Domain { index: 0 }),
        ],
    }
}

#[test]
fn a_plan_survives_its_bytes() {
    let bytes = plan().encode().unwrap();
    assert_eq!(SystemPlan::decode(&bytes), Ok(plan()));
}

#[test]
fn foreign_bytes_and_loose_ends_are_refused() {
    assert_eq!(SystemPlan::decode(b"other"), Err(PlanError::NotAPlan));
    let mut bytes = plan().encode().unwrap();
    bytes.push(0);
    assert_eq!(SystemPlan::decode(&bytes), Err(PlanError::Malformed));
}

#[test]
fn a_domain_handed_itself_is_refused() {
    let mut plan = plan();
    plan.domains[1].grants[0].source = GrantSource::Domain { index: 1 };
    let bytes = plan.encode().unwrap();
    assert_eq!(SystemPlan::decode(&bytes), Err(PlanError::Order));
}

#[test]
fn pci_patterns_match_registers() {
    let device = PciPattern::Device {
        vendor: 0x8086,
        device: 0x10fb,
    };
    assert!(device.matches(0x10fb_8086, 0));
    assert!(!device.matches(0x8086_10fb, 0));
    assert!(PciPattern::Class(0x01_08_02).matches(0, 0x01_08_02));
}

proptest! {
    #[test]
    fn damaged_plans_never_panic(position in 0_usize..200, value: u8, cut in 0_usize..200) {
        let mut bytes = plan().encode().unwrap();
        let length = bytes.len();
        bytes[position % length] = value;
        bytes.truncate(length - cut % length);
        let _ = SystemPlan::decode(&bytes);
    }
}
