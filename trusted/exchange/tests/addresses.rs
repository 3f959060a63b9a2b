//! No handle shows an address, however it is printed.

use std::sync::Arc;

use exchange::{Loan, Proxy, RRef, RRefDeque, RRefSlice, RpcResult, interface};

/// Nothing to call.
#[interface]
pub trait Nothing {
    /// Nothing to do.
    fn nothing(&self) -> RpcResult<()>;
}

struct Object;

impl Nothing for Object {
    fn nothing(&self) -> RpcResult<()> {
        Ok(())
    }
}

#[test]
fn handles_show_what_they_hold_not_where() {
    let proxy: Proxy<dyn Nothing> = Proxy::export(Arc::new(Object));
    let slice = RRefSlice::from_slice(&[1_u8, 2]);
    let (lent, loan) = Loan::new(slice).expect("not on loan");
    let mut deque = RRefDeque::<u8, 2>::new();
    deque.push_back(7).expect("there is room");
    let shown = [
        format!("{:?}", RRef::new(5_u64)),
        format!("{lent:?}"),
        format!("{loan:?}"),
        format!("{deque:?}"),
        format!("{proxy:?}"),
        format!("{:?}", Proxy::incarnation(&proxy)),
    ];
    let expected = [
        "5",
        "[1, 2]",
        "Loan<RRefSlice>",
        "[7]",
        "Proxy<Nothing>",
        "Incarnation(1)",
    ];
    assert_eq!(shown, expected);
}

/// Alternate, padded and hexadecimal forms go the same way.
#[test]
fn other_forms_show_no_address_either() {
    let proxy: Proxy<dyn Nothing> = Proxy::export(Arc::new(Object));
    let (_lent, loan) = Loan::new(RRef::new(3_u32)).expect("not on loan");
    assert_eq!(format!("{proxy:#x?}"), "Proxy<Nothing>");
    assert_eq!(format!("{loan:#?}"), "Loan<RRef>");
    assert_eq!(
        format!("{:#x?}", Proxy::incarnation(&proxy)),
        "Incarnation(1)"
    );
}
